/**
 * Part of the build: packs each program that a range starts many times into one file, and keeps V8's code for it beside.
 * A process then neither looks for modules nor compiles: of kube-apiserver's start-up two thirds were that. Code of another
 * version of Node is not taken, and the program compiles as ever.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { Script } from 'node:vm'
import { build } from 'esbuild'

const COMPILED = fileURLToPath(new URL('../../', import.meta.url))

const PROGRAMS = [
  ...['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet'].map((name) => `sim/${name}`),
  'lib/attacker',
  'lib/wire',
]

/** CommonJS, as that loader is the quicker one. Code from a cache cannot import by itself (Node 20): it is handed the starter's way. */
const STARTER = `'use strict'
const { readFileSync } = require('node:fs')
const { Script } = require('node:vm')
const read = (name, encoding) => readFileSync(__dirname + '/' + name, encoding)
let cachedData
try {
  cachedData = read('main.' + process.version + '.code')
} catch {}
const filename = __dirname + '/main.bundle'
const program = new Script(read('main.bundle', 'latin1'), { filename, cachedData }).runInThisContext()
program(require, filename, (specifier) => import(specifier))
`

const bundled = await build({
  entryPoints: PROGRAMS.map((folder) => join(COMPILED, folder, 'main.js')),
  outdir: COMPILED,
  outbase: COMPILED,
  write: false,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  // Anything else than ASCII would make V8 keep the text in two bytes a letter.
  charset: 'ascii',
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
  define: { 'import.meta.url': '__url' },
})

for (const { path, text } of bundled.outputFiles) {
  const folder = join(path, '..')
  const bundle = join(folder, 'main.bundle')
  const program = text.replaceAll(/\bimport\(/g, '__import(')
  const wrapped = `(function (require, __filename, __import) { const __url = require('node:url').pathToFileURL(__filename).href; ${program}\n})`
  writeFileSync(bundle, wrapped)
  // Every function is compiled now, not when it is first called. V8 takes code only under the flags that it was written with.
  setFlagsFromString('--no-lazy')
  const script = new Script(readFileSync(bundle, 'latin1'), { filename: bundle })
  setFlagsFromString('--lazy')
  writeFileSync(join(folder, `main.${process.version}.code`), script.createCachedData())
  writeFileSync(join(folder, 'main.cjs'), STARTER)
}
