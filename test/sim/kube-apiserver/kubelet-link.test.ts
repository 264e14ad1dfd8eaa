import t from 'tap'
import { StatusError } from '../../../lib/kube/status.ts'
import type { KubeObject } from '../../../lib/kube/object.ts'
import {
  assertProxyable,
  kubeletAddress,
  splitSchemeNamePort,
} from '../../../sim/kube-apiserver/kubelet-link/kubelet-address.ts'
import { logPath, streamPath } from '../../../sim/kube-apiserver/kubelet-link/kubelet-path.ts'
import { linkException } from '../../fidelity/kube-apiserver/link-exceptions.ts'
import { comparable, LinkReplay } from '../../fidelity/kube-apiserver/link-replay.ts'
import type { LinkRow } from '../../fidelity/kube-apiserver/link-replay.ts'
import { recorded } from '../../fidelity/kube-apiserver/recorded-world.ts'

/** Every row is in the full run (test/fidelity); this is each fourth of them. */
const SAMPLE = 4

t.test('a sample of the recorded answers', async (t) => {
  const replay = await LinkReplay.create()
  const due = recorded<LinkRow>('kubelet-link.json').filter((row) => linkException(row) === undefined)
  for (const [at, row] of due.entries()) {
    if (at % SAMPLE === 0) t.strictSame(comparable(await replay.replay(row)), comparable(row.answer), row.id)
  }
})

const pod = (spec: object): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'a' },
  spec: { nodeName: 'n', ...spec },
})

const query = (text: string): URLSearchParams => new URLSearchParams(text)

const node = (status: object): KubeObject => ({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' }, status })

function refused(act: () => unknown): [number, string] | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    if (error instanceof StatusError) return [error.code, error.message]
    throw error
  }
}

t.test('the kubelet path of a stream', async (t) => {
  const one = pod({ containers: [{ name: 'c' }] })
  const two = pod({ containers: [{ name: 'main' }, { name: 'side' }], initContainers: [{ name: 'init' }] })
  t.equal(
    streamPath(one, 'exec', query('command=sh&command=-c&command=a+b%26*&tty=true&stdin=1')),
    '/exec/a/p/c?command=sh&command=-c&command=a+b%26%2A&input=1&tty=1',
  )
  t.equal(streamPath(one, 'exec', query('stdout=false&stderr=0')), '/exec/a/p/c')
  t.equal(streamPath(one, 'portforward', query('ports=80&ports=81')), '/portForward/a/p?port=80%2C81')
  for (const [ports, why] of [
    ['ports=80,x', 'parsing "x": invalid syntax'],
    ['ports=', 'parsing "": invalid syntax'],
    ['ports=80&ports=65536', 'parsing "65536": value out of range'],
  ] as const) {
    t.throws(() => streamPath(one, 'portforward', query(ports)), {
      message: `cannot convert to []int32: strconv.ParseUint: ${why}`,
    })
  }
  t.equal(logPath(two, query('container=init&follow=true')), '/containerLogs/a/p/init?follow=true')
  t.strictSame(
    refused(() => streamPath(two, 'attach', query(''))),
    [
      400,
      'a container name must be specified for pod p, choose one of: [main side] or one of the init containers: [init]',
    ],
  )
  t.strictSame(
    refused(() => logPath(one, query('container=x'))),
    [400, 'container x is not valid for pod p'],
  )
  t.strictSame(
    refused(() => logPath(one, query('tailLines=-1'))),
    [422, 'PodLogOptions "p" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0'],
  )
})

t.test('the address is the one the Node names', async (t) => {
  const addresses = [
    { type: 'Hostname', address: 'n' },
    { type: 'InternalIP', address: '127.9.1.1' },
  ]
  t.strictSame(kubeletAddress(node({ addresses }), ['InternalIP', 'Hostname']), { host: '127.9.1.1', port: 10250 })
  const daemonEndpoints = { kubeletEndpoint: { Port: 9 } }
  t.strictSame(kubeletAddress(node({ addresses, daemonEndpoints }), ['Hostname']), { host: 'n', port: 9 })
  t.strictSame(
    refused(() => kubeletAddress(node({ addresses }), ['ExternalIP'])),
    [500, 'no preferred addresses found; known addresses: [{Hostname n} {InternalIP 127.9.1.1}]'],
  )
  t.strictSame(splitSchemeNamePort('https:n:1'), { scheme: 'https', name: 'n', port: '1' })
  t.strictSame(splitSchemeNamePort('n:1'), { scheme: '', name: 'n', port: '1' })
  t.equal(splitSchemeNamePort('ftp:n:1'), undefined)
})

t.test('nodes/proxy is not led to where kube-apiserver alone can go', async (t) => {
  const place = { host: 'control-plane-1', loop: '127.9.0.3' }
  for (const address of [
    '127.0.0.1',
    'localhost',
    '::1',
    '127.9.0.3',
    '169.254.169.254',
    '0.0.0.0',
    '224.0.0.1',
    'fe80::1',
  ]) {
    t.strictSame(
      refused(() => assertProxyable(address, place)),
      [400, 'address not allowed'],
      address,
    )
  }
  for (const address of ['127.9.1.1', '10.0.0.1', '::2'])
    t.equal(
      refused(() => assertProxyable(address, place)),
      undefined,
      address,
    )
  t.equal(
    refused(() => assertProxyable('127.0.0.1', { host: '' })),
    undefined,
    'by hand, everything lives there',
  )
})
