/** The command lines that start a component: the simulated one by the path of its compiled file, or a real binary. */
import { entryPoint } from '../settings/entry-point.ts'
import { nodeCommand } from './node-command.ts'

/** Goes with TLS_ENVIRONMENT. `nodeOptions` are options of node(1), before the component's own arguments. */
export function simulatedCommand(
  component: string,
  args: readonly string[],
  nodeOptions: readonly string[] = [],
): string[] {
  return nodeCommand([...nodeOptions, entryPoint(`sim/${component}`), ...args], { tls: true })
}
