/** Pods and texts of k8s.io/pod-security-admission's own tests (policy/*_test.go, admission/admission_test.go). */
import t from 'tap'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KubeObject } from '../../../lib/kube/object.ts'
import { createAdmission } from '../../../sim/kube-apiserver/admission/admission.ts'
import type { AdmissionRequest } from '../../../sim/kube-apiserver/admission/plugin.ts'
import { readPodSecurity } from '../../../sim/kube-apiserver/admission/pod-security/configuration.ts'
import { detailText, reasonText, violationsOf } from '../../../sim/kube-apiserver/admission/pod-security/evaluate.ts'
import type {
  Container,
  PodFacts,
  SecurityContext,
} from '../../../sim/kube-apiserver/admission/pod-security/pod-facts.ts'
import type { PodSecuritySettings } from '../../../sim/kube-apiserver/admission/pod-security/policy.ts'
import { requestInfo } from '../../../sim/kube-apiserver/authorization/request-info.ts'
import { MemoryObjects } from '../../fidelity/kube-apiserver/memory-objects.ts'

type Spec = PodFacts['spec']

const SOUND = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
}
const container = (name: string, securityContext: SecurityContext = {}): Container => ({ name, securityContext })

/** [level and version, spec, what is said, annotations] */
const ROWS: readonly [held: string, spec: Spec, said: string, annotations?: Record<string, string>][] = [
  [
    'baseline',
    { hostNetwork: true, hostPID: true, hostIPC: true },
    'host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)',
  ],
  [
    'baseline',
    {
      volumes: [
        { name: 'a', hostPath: {} },
        { name: 'b', hostPath: {} },
        { name: 'c', emptyDir: {} },
      ],
    },
    'hostPath volumes (volumes "a", "b")',
  ],
  [
    'restricted',
    {
      volumes: [
        { name: 'b', hostPath: {} },
        { name: 'c1', gitRepo: {} },
        { name: 'd', secret: {} },
        { name: 'z', odd: {} },
      ],
    },
    'restricted volume types (volumes "b", "c1", "z" use restricted volume types "gitRepo", "hostPath", "unknown")',
  ],
  [
    'baseline',
    {
      containers: [
        { name: 'a', ports: [{ hostPort: 0 }] },
        { name: 'b', ports: [{ hostPort: 10 }, { hostPort: 20 }] },
        { name: 'c', ports: [{ hostPort: 10 }, { hostPort: 30 }] },
      ],
    },
    'hostPort (containers "b", "c" use hostPorts 10, 20, 30)',
  ],
  [
    'baseline',
    {
      initContainers: [container('i', { capabilities: { add: ['FOO', 'BAR'] } })],
      containers: [
        container('b', { capabilities: { add: ['CHOWN', 'BAZ'] } }),
        container('c', { capabilities: { add: ['CHOWN'] } }),
      ],
    },
    'non-default capabilities (containers "i", "b" must not include "BAR", "BAZ", "FOO" in securityContext.capabilities.add)',
  ],
  [
    'restricted',
    {
      containers: [
        container('a', { ...SOUND, capabilities: { add: ['FOO', 'BAR'] } }),
        container('b', { ...SOUND, capabilities: { add: ['NET_BIND_SERVICE', 'CHOWN'], drop: ['ALL'] } }),
      ],
    },
    'unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]; containers "a", "b" must not include "BAR", "CHOWN", "FOO" in securityContext.capabilities.add)',
  ],
  [
    'baseline',
    {
      containers: [
        {
          name: 'a',
          livenessProbe: { httpGet: { host: '::1' } },
          lifecycle: { preStop: { tcpSocket: { host: 'localhost' } } },
        },
      ],
    },
    'probe or lifecycle host (container "a" uses probe or lifecycle hosts "::1", "localhost")',
  ],
  ['baseline:v1.33', { containers: [{ name: 'a', livenessProbe: { httpGet: { host: '::1' } } }] }, ''],
  [
    'baseline',
    { containers: [container('c'), container('d', { privileged: true }), container('e', { privileged: true })] },
    'privileged (containers "d", "e" must not set securityContext.privileged=true)',
  ],
  [
    'baseline',
    { containers: [container('d', { procMount: 'Unmasked' }), container('e', { procMount: 'other' })] },
    'procMount (containers "d", "e" must not set securityContext.procMount to "Unmasked", "other")',
  ],
  ['baseline', { hostUsers: false, containers: [container('d', { procMount: 'Unmasked' })] }, ''],
  [
    'restricted',
    { hostUsers: false, containers: [container('d', { ...SOUND, runAsNonRoot: false, procMount: 'Unmasked' })] },
    'procMount (container "d" must not set securityContext.procMount to "Unmasked")',
  ],
  [
    'baseline',
    {
      securityContext: { seLinuxOptions: { type: 'foo' } },
      containers: [
        container('a', { seLinuxOptions: { type: 'bar', user: 'u' } }),
        container('b', { seLinuxOptions: { type: 'container_engine_t', role: 'r' } }),
      ],
    },
    'seLinuxOptions (pod and containers "a", "b" set forbidden securityContext.seLinuxOptions: types "bar", "foo"; user may not be set; role may not be set)',
  ],
  [
    'baseline:v1.30',
    { containers: [container('b', { seLinuxOptions: { type: 'container_engine_t' } })] },
    'seLinuxOptions (container "b" set forbidden securityContext.seLinuxOptions: type "container_engine_t")',
  ],
  [
    'baseline',
    {
      securityContext: {
        sysctls: [{ name: 'a' }, { name: 'net.ipv4.tcp_rmem' }, { name: 'net.ipv4.tcp_notsent_lowat' }],
      },
    },
    'forbidden sysctls (a, net.ipv4.tcp_notsent_lowat)',
  ],
  [
    'baseline:v1.31',
    { securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem' }] } },
    'forbidden sysctls (net.ipv4.tcp_rmem)',
  ],
  [
    'baseline',
    {
      securityContext: { windowsOptions: { hostProcess: true } },
      containers: [container('a', { windowsOptions: { hostProcess: true } })],
    },
    'hostProcess (pod and container "a" must not set securityContext.windowsOptions.hostProcess=true)',
  ],
  [
    'baseline',
    { containers: [container('foo', { appArmorProfile: { type: 'Unconfined' } })] },
    'forbidden AppArmor profiles (container "foo" and annotation must not set AppArmor profile type to "Unconfined", "container.apparmor.security.beta.kubernetes.io/foo="unconfined"")',
    { 'container.apparmor.security.beta.kubernetes.io/foo': 'unconfined' },
  ],
  [
    'baseline',
    {
      securityContext: { seccompProfile: { type: 'Unconfined' } },
      containers: [container('a', { seccompProfile: { type: 'Odd' } })],
    },
    'seccompProfile (pod and container "a" must not set securityContext.seccompProfile.type to "Odd", "Unconfined")',
  ],
  [
    'baseline:v1.18',
    { containers: [container('a')] },
    'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")',
    { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' },
  ],
  [
    'restricted',
    { containers: [container('c')] },
    'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
  ],
  [
    'restricted',
    { os: { name: 'windows' }, securityContext: { runAsNonRoot: true }, containers: [container('c')] },
    '',
  ],
  [
    'restricted',
    {
      securityContext: { runAsNonRoot: true, runAsUser: 0 },
      containers: [container('a', { ...SOUND, runAsNonRoot: false, runAsUser: 0 })],
    },
    'runAsNonRoot != true (container "a" must not set securityContext.runAsNonRoot=false), runAsUser=0 (pod and container "a" must not set runAsUser=0)',
  ],
  ['restricted:v1.7', { securityContext: { runAsNonRoot: true, runAsUser: 0 }, containers: [container('a')] }, ''],
  ['privileged', { hostPID: true }, ''],
]

t.test('what a level says of a Pod', async (t) => {
  for (const [held, spec, said, annotations = {}] of ROWS) {
    const [level = '', version = 'latest'] = held.split(':')
    const violations = violationsOf({ annotations, spec }, { level: level as 'baseline', version }, 36)
    t.equal(detailText(violations), said, `${held} ${JSON.stringify(spec)}`)
  }
  const [both] = ROWS.slice(1)
  t.equal(
    reasonText(
      violationsOf(
        { annotations: {}, spec: { ...both![1], hostPID: true } },
        { level: 'baseline', version: 'v1.99' },
        36,
      ),
    ),
    'host namespaces, hostPath volumes',
  )
})

const ADMIN = { username: 'kubernetes-admin', groups: ['system:authenticated'] }

interface Told {
  message: string | undefined
  warnings: string[]
  annotations: Record<string, string>
}

/** A world with one namespace of these labels. */
class Judge {
  readonly objects = new MemoryObjects()
  readonly #podSecurity: PodSecuritySettings | undefined
  readonly #minor: number

  constructor(labels: Record<string, string>, how: { podSecurity?: PodSecuritySettings; minor?: number } = {}) {
    this.objects.put('namespaces', namespace(labels))
    this.#podSecurity = how.podSecurity
    this.#minor = how.minor ?? 36
  }

  create(spec: object, user = ADMIN): Told {
    const request = requestInfo('POST', '/api/v1/namespaces/shop/pods')
    return this.judge({ operation: 'CREATE', request, user, object: pod(spec) })
  }

  label(labels: Record<string, string>): Told {
    const request = requestInfo('PUT', '/api/v1/namespaces/shop')
    const oldObject = this.objects.get('namespaces', '', 'shop')!
    return this.judge({ operation: 'UPDATE', request, user: ADMIN, object: namespace(labels), oldObject })
  }

  judge(admission: AdmissionRequest): Told {
    const told: Told = { message: undefined, warnings: [], annotations: {} }
    const { objects } = this
    const authorize = () => ({ decision: 'allow', reason: '', by: 'rbac' }) as const
    const podSecurity = this.#podSecurity
    const context = { objects, authorize, minorVersion: this.#minor, ...(podSecurity && { podSecurity }) }
    const refusal = createAdmission({ enable: [], disable: [] }, context).validate({
      ...admission,
      warn: (text) => told.warnings.push(text),
      annotate: (key, value) => void (told.annotations[key] = value),
    })
    if (refusal) told.message = refusal.status.message
    return told
  }
}

function namespace(labels: Record<string, string>): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels } }
}

function pod(spec: object, name = 'x'): KubeObject {
  const own = { containers: [{ name: 'c', image: 'i' }], ...spec }
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'shop' }, spec: own }
}

const HOST_PATH = { volumes: [{ name: 'v', hostPath: { path: '/' } }] }
const ESCAPES =
  'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)'
const AS_ROOT = 'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)'
const at = (mode: string): string => `pod-security.kubernetes.io/${mode}`

t.test('labels of a namespace decide', async (t) => {
  t.strictSame(new Judge({}).create(HOST_PATH), {
    message: undefined,
    warnings: [],
    annotations: { [at('enforce-policy')]: 'privileged:latest' },
  })
  const baseline = new Judge({ [at('enforce')]: 'baseline' })
  t.equal(
    baseline.create(HOST_PATH).message,
    'pods "x" is forbidden: violates PodSecurity "baseline:latest": hostPath volumes (volume "v")',
  )
  t.equal(baseline.create({}).message, undefined)
  const told = new Judge({
    [at('enforce')]: 'privileged',
    [at('audit')]: 'baseline',
    [at('warn')]: 'restricted',
    [at('warn-version')]: 'v1.8',
  }).create(HOST_PATH)
  t.match(told, {
    message: undefined,
    annotations: {
      [at('enforce-policy')]: 'privileged:latest',
      [at('audit-violations')]: 'would violate PodSecurity "baseline:latest": hostPath volumes (volume "v")',
    },
  })
  const volumes = 'restricted volume types (volume "v" uses restricted volume type "hostPath")'
  t.strictSame(told.warnings, [`would violate PodSecurity "restricted:v1.8": ${ESCAPES}, ${volumes}, ${AS_ROOT}`])
  t.match(
    new Judge({ [at('enforce')]: 'nonsense' }).create({}).message,
    'violates PodSecurity "restricted:latest"',
    'a label that cannot be read enforces the strongest',
  )
  t.equal(
    new Judge({ [at('enforce')]: 'baseline' }, { minor: 22 }).create(HOST_PATH).message,
    undefined,
    'v1.22 has it off',
  )
})

t.test('what is changed in a Pod that is there', async (t) => {
  const judge = new Judge({ [at('enforce')]: 'baseline' })
  const request = requestInfo('PUT', '/api/v1/namespaces/shop/pods/x')
  const update = (object: KubeObject, subresource = ''): string | undefined =>
    judge.judge({
      operation: 'UPDATE',
      request: { ...request, subresource },
      user: ADMIN,
      object,
      oldObject: pod(HOST_PATH),
    }).message
  t.equal(update(pod(HOST_PATH)), undefined, 'nothing that counts')
  const image = pod({ ...HOST_PATH, containers: [{ name: 'c', image: 'j' }] })
  t.match(update(image), 'hostPath volumes (volume "v")', 'another image')
  t.equal(update(image, 'status'), undefined)
})

t.test('a namespace that gets labels', async (t) => {
  const judge = new Judge({})
  for (const name of ['b', 'a', 'c']) judge.objects.put('pods', pod(HOST_PATH, name))
  judge.objects.put('pods', pod({ hostPID: true }, 'd'))
  t.strictSame(judge.label({ [at('enforce')]: 'baseline' }).warnings, [
    'existing pods in namespace "shop" violate the new PodSecurity enforce level "baseline:latest"',
    'a (and 2 other pods): hostPath volumes',
    'd: host namespaces',
  ])
  t.strictSame(judge.label({ [at('warn')]: 'baseline' }).warnings, [])
  t.equal(
    judge.label({ [at('enforce')]: 'x', [at('audit-version')]: '1.25' }).message,
    `Namespace "shop" is invalid: [metadata.labels[${at('enforce')}]: Invalid value: "x": must be one of privileged, baseline, restricted, metadata.labels[${at('audit-version')}]: Invalid value: "1.25": must be "latest" or "v1.x"]`,
  )
})

t.test('the configuration: defaults and exemptions', async (t) => {
  const folder = t.testdir({
    'admission.yaml': `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins: [{name: EventRateLimit, path: other.yaml}, {name: PodSecurity, path: pods.yaml}]
`,
    'pods.yaml': `apiVersion: pod-security.admission.config.k8s.io/v1
kind: PodSecurityConfiguration
defaults: {enforce: baseline, warn: restricted, warn-version: v1.8}
exemptions: {namespaces: [kube-system], usernames: [robot]}
`,
  })
  const podSecurity = readPodSecurity(join(folder, 'admission.yaml'))
  const judge = new Judge({}, { podSecurity })
  t.match(judge.create(HOST_PATH).message, 'violates PodSecurity "baseline:latest"')
  t.match(judge.create({}).warnings, [/^would violate PodSecurity "restricted:v1.8": /])
  t.strictSame(judge.create(HOST_PATH, { ...ADMIN, username: 'robot' }), {
    message: undefined,
    warnings: [],
    annotations: { [at('exempt')]: 'user' },
  })
  t.equal(new Judge({ [at('enforce')]: 'privileged' }, { podSecurity }).create(HOST_PATH).message, undefined)

  const refusal = (text: string): string => {
    writeFileSync(join(folder, 'pods.yaml'), text)
    try {
      readPodSecurity(join(folder, 'admission.yaml'))
    } catch (error) {
      return (error as Error).message
    }
    return 'accepted'
  }
  t.equal(
    refusal('defaults: {enforce: strict}\nexemptions: {namespaces: [a, a]}'),
    'failed to apply admission: couldn\'t init admission plugin "PodSecurity": [defaults.enforce: Invalid value: "strict": must be one of privileged, baseline, restricted, exemptions.namespaces[1]: Duplicate value: "a"]',
  )
})
