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

/** CommonJS, as that loader is the quicker one; the options must be the same where the code is made and where it is taken. */
const STARTER = `'use strict'
const { readFileSync } = require('node:fs')
const { Script, constants } = require('node:vm')
const read = (name, encoding) => readFileSync(__dirname + '/' + name, encoding)
let cachedData
try {
  cachedData = read('main.' + process.version + '.code')
} catch {}
const filename = __dirname + '/main.bundle'
const importModuleDynamically = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
new Script(read('main.bundle', 'latin1'), { filename, cachedData, importModuleDynamically }).runInThisContext()(require, filename)
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

// Every function is compiled now, not when it is first called.
setFlagsFromString('--no-lazy')
for (const { path, text } of bundled.outputFiles) {
  const folder = join(path, '..')
  const bundle = join(folder, 'main.bundle')
  const wrapped = `(function (require, __filename) { const __url = require('node:url').pathToFileURL(__filename).href; ${text}\n})`
  writeFileSync(bundle, wrapped)
  const script = new Script(readFileSync(bundle, 'latin1'), { filename: bundle })
  writeFileSync(join(folder, `main.${process.version}.code`), script.createCachedData())
  writeFileSync(join(folder, 'main.cjs'), STARTER)
}
