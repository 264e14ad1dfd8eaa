/** Where etcd panics: exit code 2, and with `fields` a log line before. */
export class Panic extends Error {
  override readonly name = 'Panic'
  readonly fields: Record<string, unknown> | undefined

  constructor(message: string, fields?: Record<string, unknown>) {
    super(message)
    this.fields = fields
  }
}
