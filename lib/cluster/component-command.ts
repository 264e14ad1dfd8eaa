/** The command lines that start a component: the simulated one by the path of its compiled file, or a real binary. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeCommand } from './node-command.ts'

/** The compiled tree that this file lies in: components are spawned from it by path. */
const COMPILED = fileURLToPath(new URL('../../', import.meta.url))

/** Goes with TLS_ENVIRONMENT. `nodeOptions` are options of node(1), before the component's own arguments. */
export function simulatedCommand(
  component: string,
  args: readonly string[],
  nodeOptions: readonly string[] = [],
): string[] {
  return nodeCommand([...nodeOptions, join(COMPILED, 'sim', component, 'main.js'), ...args], { tls: true })
}
