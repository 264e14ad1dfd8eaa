/** Objects as they lie in etcd, and as JSON bodies become them. */
import t from 'tap'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { conform } from '../../../sim/kube-apiserver/schema/conform.ts'
import { message, messageOfKind } from '../../../sim/kube-apiserver/schema/message-fields.ts'
import { decodeMessage } from '../../../sim/kube-apiserver/schema/protobuf-decoder.ts'
import { encodeMessage } from '../../../sim/kube-apiserver/schema/protobuf-encoder.ts'
import { asStored, decodeObject, encodeObject } from '../../../sim/kube-apiserver/storage/codec.ts'

const TIME = '2026-11-24T00:39:14Z'

function secret(name: string): KubeObject {
  const fieldsV1 = { 'f:data': { '.': {}, 'f:k': {} }, 'f:type': {} }
  const managed = {
    manager: 'unknown',
    operation: 'Update',
    apiVersion: 'v1',
    time: TIME,
    fieldsType: 'FieldsV1',
    fieldsV1,
  }
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      namespace: 'team-a',
      uid: '11111111-2222-3333-4444-555555555555',
      creationTimestamp: TIME,
      managedFields: [managed],
    },
    data: { k: Buffer.from('canary-value').toString('base64') },
    type: 'Opaque',
  }
}

t.test('a Secret lies in etcd in the bytes of the real server', async (t) => {
  const bytes = encodeObject(secret('s-aesgcm'))
  // recorded: 247 bytes behind the provider's prefix, of which 12 are a nonce and 16 a tag
  t.equal(bytes.length, 247 - 12 - 16)
  t.equal(encodeObject(secret('s-secretbox')).length, 262 - 24 - 16)
  t.equal(bytes.subarray(0, 18).toString('latin1'), 'k8s\0\n\x0c\n\x02v1\x12\x06Secret')
  t.ok(bytes.includes('canary-value'), 'the value itself, not its base64')
  t.equal(bytes.subarray(-4).toString('hex'), '1a002200')
  t.strictSame(decodeObject(bytes, 7), {
    ...secret('s-aesgcm'),
    metadata: { ...secret('s-aesgcm').metadata, resourceVersion: '7' },
  })
})

t.test('numbers, times and things of two types', async (t) => {
  const pod = asStored({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: {
      terminationGracePeriodSeconds: -1,
      priority: 2_000_000_000,
      containers: [
        {
          name: 'c',
          livenessProbe: { httpGet: { port: 'web' } },
          readinessProbe: { tcpSocket: { port: 80 } },
          resources: { limits: { cpu: '1', memory: '1Gi' } },
        },
      ],
      volumes: [{ name: 'v', secret: { secretName: 's' } }],
    },
  })
  t.match(pod['spec'], {
    terminationGracePeriodSeconds: -1,
    priority: 2_000_000_000,
    containers: [
      {
        livenessProbe: { httpGet: { port: 'web' } },
        readinessProbe: { tcpSocket: { port: 80 } },
        resources: { limits: { cpu: '1', memory: '1Gi' } },
      },
    ],
    volumes: [{ name: 'v', secret: { secretName: 's' } }],
  })
  t.strictSame(pod['status'], {}, 'a struct is shown also when it says nothing')
  const lease = message('LeaseSpec')
  const spec = { holderIdentity: 'a', renewTime: '2026-11-25T00:00:00.123456Z' }
  t.strictSame(decodeMessage(encodeMessage(spec, lease), lease), spec)
  const large = message('Condition')
  const far = { type: '', status: '', observedGeneration: 2 ** 50, lastTransitionTime: null, reason: '', message: '' }
  t.strictSame(decodeMessage(encodeMessage(far, large), large), far)
  t.throws(() => decodeMessage(Buffer.from([0x0a, 0x05, 0x61]), large), { message: 'unexpected EOF' })
  t.throws(() => decodeMessage(Buffer.from([0x0b]), large), { message: 'proto: illegal wireType 3' })
})

t.test('JSON: unknown members are counted, wrong types told as Go tells them', async (t) => {
  const pod = messageOfKind('v1', 'Pod') ?? message('Pod')
  const nested = {
    spec: { containers: [{ name: 'c', nope: 1, env: [{ name: 'A', valu: '1' }] }], also: {} },
    kind: 'Pod',
  }
  const { unknown, members } = conform(nested, pod)
  t.strictSame(unknown, ['spec.also', 'spec.containers[0].nope', 'spec.containers[0].env[0].valu'])
  t.strictSame(members['spec'], { containers: [{ name: 'c', env: [{ name: 'A' }], resources: {} }] })
  const refused = (value: object): string => {
    try {
      conform(value as Record<string, unknown>, pod)
      return 'taken'
    } catch (error) {
      return (error as Error).message
    }
  }
  t.equal(
    refused({ spec: { containers: [{ name: 5 }] } }),
    'json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string',
  )
  t.equal(
    refused({ metadata: { labels: { a: true } } }),
    'json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels.a of type string',
  )
  t.equal(
    refused({ spec: { priority: 'high' } }),
    'json: cannot unmarshal string into Go struct field PodSpec.spec.priority of type int32',
  )
})
