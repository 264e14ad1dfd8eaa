/** Puts the recorded connections of tls.json to our member: what the client saw, and what the member logged. */
import { flagSet, MemberPlace, MemberProcess, type LogLine } from './member-process.ts'
import { RecordedPki } from './recorded-pki.ts'
import { Probe, type LoggedRefusal, type TlsAnswer, type TlsRow } from './tls-probe.ts'

export class TlsReplay {
  readonly #running: { place: MemberPlace; member: MemberProcess }[] = []
  readonly #members = new Map<string, Promise<{ place: MemberPlace; member: MemberProcess; pki: RecordedPki }>>()
  #sharedPki: RecordedPki | undefined

  /** `undefined` where the client saw and the member logged what the row says. */
  async replay(row: TlsRow): Promise<{ expected: string; got: string } | undefined> {
    this.#members.set(row.flagSet, this.#members.get(row.flagSet) ?? this.#start(row.flagSet))
    const { place, member, pki } = await this.#members.get(row.flagSet)!
    const probe = new Probe(row, place.ports.get(row.request.port ?? 'client')!, pki)
    const before = member.log.length
    const answer = await probe.run()
    const wanted = row.answer.log.length > 0
    const line = wanted
      ? await member.lineAbout(probe.local, before).catch(() => undefined)
      : member.find(probe.local, before)
    const { log, ...expected } = row.answer
    const [one, other] = [textOf(expected, log[0]), textOf(asTold(expected, answer), line && loggedOf(line, place))]
    return one === other ? undefined : { expected: one, got: other }
  }

  async end(): Promise<void> {
    await Promise.all(this.#running.map(({ member }) => member.process.kill()))
    for (const { place } of this.#running) place.remove()
  }

  async #start(name: string) {
    const place = await MemberPlace.create()
    // Certificates are the same for every member: they are made once, and the others look into that folder.
    this.#sharedPki ??= await firstPki(place)
    const pki = this.#sharedPki
    const member = new MemberProcess(
      place,
      flagSet(name).map((flag) => flag.replaceAll('{pki}', pki.folder)),
    )
    this.#running.push({ place, member })
    if (!(await member.serves())) throw new Error(`flag set ${name}: ${member.process.lastWords}`)
    return { place, member, pki }
  }
}

async function firstPki(place: MemberPlace): Promise<RecordedPki> {
  const pki = new RecordedPki(place.pki)
  for (const name of ['server', 'peer', 'peer-sep', 'server-serverauth']) pki.credential(name)
  await pki.writeRevocationLists()
  return pki
}

function loggedOf(line: LogLine, place: MemberPlace): LoggedRefusal {
  const { error } = line
  const names = ['server-name', 'ip-addresses', 'dns-names'].filter((name) => name in line)
  return {
    error: place.mask(String(error)),
    ...Object.fromEntries(names.map((name) => [name, line[name]])),
  }
}

/** OpenSSL's client names no versions one by one, so that all below its highest count, and signals RFC 5746 as a suite. */
function offerOf(error: string): string {
  return error.replace(/ ff\]$/, ']').replace(/(versions: \[\w+)( 30\d)+\]$/, '$1]')
}

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)/g

/** Where and how a connection ended is not said in every row. */
function asTold(expected: TlsAnswer, { tls, ...rest }: TlsAnswer): TlsAnswer {
  if (!tls) return rest
  const { at, close, ...facts } = tls
  const { tls: told } = expected
  return {
    tls: {
      ...facts,
      ...(told?.at === undefined || at === undefined ? {} : { at }),
      ...(told?.close === undefined || close === undefined ? {} : { close }),
    },
    ...rest,
  }
}

const RESOLVER = / on \S+: no such host/g
const DATE = /Date: [^\\]*/

function textOf(answer: TlsAnswer, log: LoggedRefusal | undefined): string {
  const { tls, ...rest } = answer
  // A client that reads to the end cannot tell close_notify from a FIN.
  const close = tls?.close === undefined ? undefined : tls.close === 'open' ? 'open' : 'closed'
  const facts = tls && [tls.handshake, tls.version, tls.cipher, tls.alpn, tls.at, tls.alert, close]
  const said = log && [offerOf(log.error), log['server-name'], log['ip-addresses'], log['dns-names']]
  return JSON.stringify({ facts, ...rest, said })
    .replaceAll(TIME, '$time')
    .replaceAll(RESOLVER, ' on $resolver: no such host')
    .replace(DATE, 'Date: $date')
}
