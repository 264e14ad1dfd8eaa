/**
 * Users, roles and whether anybody asks for them (server/auth/store.go): pure, no clock and no hashing. Every change
 * counts the revision up, so that a permission that was looked at before it is known to be old.
 */
import { create } from '@bufbuild/protobuf'
import { PermissionSchema, Permission_Type, type Permission } from '../../../lib/etcd/auth_pb.ts'
import { ERRORS } from '../errors.ts'
import { keyText } from '../mvcc/store.ts'
import { isGrantable, RangePermissions } from './range-permissions.ts'
import type { AuthInfo } from './auth-info.ts'

export const ROOT = 'root'

export interface User {
  name: string
  /** bcrypt's text; empty for one that has no password. */
  passwordHash: string
  noPassword: boolean
  /** In order. */
  roles: readonly string[]
}

export interface Role {
  name: string
  permissions: readonly Permission[]
}

/** What of it concerns tokens: a user whose password changed or who is gone has none. */
export interface TokenListener {
  enabled(): void
  disabled(): void
  userInvalidated(name: string): void
}

export class AuthStore {
  readonly #users = new Map<string, User>()
  readonly #roles = new Map<string, Role>()
  readonly #permissions = new Map<string, RangePermissions>()
  #listener: TokenListener | undefined
  #enabled = false
  #revision = 1n

  heardBy(listener: TokenListener): void {
    this.#listener = listener
  }

  /** What a disk held, in place of whatever was here. */
  restore(stored: { enabled: boolean; revision: bigint; users: readonly User[]; roles: readonly Role[] }): void {
    this.#users.clear()
    this.#roles.clear()
    for (const user of stored.users) this.#users.set(user.name, user)
    for (const role of stored.roles) this.#roles.set(role.name, role)
    this.#enabled = stored.enabled
    this.#revision = stored.revision
    this.#permissions.clear()
    if (stored.enabled) this.#listener?.enabled()
  }

  get enabled(): boolean {
    return this.#enabled
  }

  get revision(): bigint {
    return this.#revision
  }

  user(name: string): User | undefined {
    return this.#users.get(name)
  }

  userNames(): string[] {
    return [...this.#users.keys()].sort()
  }

  role(name: string): Role | undefined {
    return this.#roles.get(name)
  }

  roleNames(): string[] {
    return [...this.#roles.keys()].sort()
  }

  /** @throws GrpcError FailedPrecondition where nobody could administrate it afterwards. */
  enable(): void {
    if (this.#enabled) return
    const root = this.#users.get(ROOT)
    if (!root) throw ERRORS.rootUserMissing()
    if (!root.roles.includes(ROOT)) throw ERRORS.rootRoleMissing()
    this.#enabled = true
    this.#listener?.enabled()
  }

  disable(): void {
    if (!this.#enabled) return
    this.#enabled = false
    this.#changed()
    this.#listener?.disabled()
  }

  addUser(name: string, passwordHash: string, noPassword: boolean): void {
    if (name === '') throw ERRORS.userEmpty()
    if (this.#users.has(name)) throw ERRORS.userExists()
    this.#users.set(name, { name, passwordHash, noPassword, roles: [] })
    this.#changed()
  }

  deleteUser(name: string): void {
    if (this.#enabled && name === ROOT) throw ERRORS.invalidAuthManagement()
    if (!this.#users.delete(name)) throw ERRORS.userNotFound()
    this.#changed()
    this.#listener?.userInvalidated(name)
  }

  changePassword(name: string, passwordHash: string): void {
    const user = this.#knownUser(name)
    this.#users.set(name, { ...user, passwordHash: user.noPassword ? '' : passwordHash })
    this.#changed()
    this.#listener?.userInvalidated(name)
  }

  grantRole(name: string, role: string): void {
    const user = this.#knownUser(name)
    if (role !== ROOT && !this.#roles.has(role)) throw ERRORS.roleNotFound()
    if (user.roles.includes(role)) return
    this.#users.set(name, { ...user, roles: [...user.roles, role].sort() })
    this.#changed()
  }

  revokeRole(name: string, role: string): void {
    if (this.#enabled && name === ROOT && role === ROOT) throw ERRORS.invalidAuthManagement()
    const user = this.#knownUser(name)
    if (!user.roles.includes(role)) throw ERRORS.roleNotGranted()
    this.#users.set(name, { ...user, roles: user.roles.filter((each) => each !== role) })
    this.#changed()
  }

  addRole(name: string): void {
    if (name === '') throw ERRORS.roleEmpty()
    if (this.#roles.has(name)) throw ERRORS.roleExists()
    this.#roles.set(name, { name, permissions: [] })
    this.#changed()
  }

  deleteRole(name: string): void {
    if (this.#enabled && name === ROOT) throw ERRORS.invalidAuthManagement()
    if (!this.#roles.delete(name)) throw ERRORS.roleNotFound()
    for (const user of this.#users.values()) {
      this.#users.set(user.name, { ...user, roles: user.roles.filter((each) => each !== name) })
    }
    this.#changed()
  }

  grantPermission(name: string, permission: Permission | undefined): void {
    if (!permission) throw ERRORS.permissionNotGiven()
    if (!isGrantable(permission.key, permission.rangeEnd)) throw ERRORS.invalidAuthManagement()
    const role = this.#knownRole(name)
    const others = role.permissions.filter((each) => !isSameRange(each, permission))
    const { key, rangeEnd, permType } = permission
    const permissions = [...others, create(PermissionSchema, { key, rangeEnd, permType })]
    permissions.sort((one, other) => Buffer.compare(one.key, other.key))
    this.#roles.set(name, { name, permissions })
    this.#changed()
  }

  revokePermission(name: string, key: Uint8Array, rangeEnd: Uint8Array): void {
    const role = this.#knownRole(name)
    const permissions = role.permissions.filter((each) => !isSameRange(each, { key, rangeEnd }))
    if (permissions.length === role.permissions.length) throw ERRORS.permissionNotGranted()
    this.#roles.set(name, { name, permissions })
    this.#changed()
  }

  /** What a role may do; that of `root` is everything, whatever was granted to it. */
  permissionsOf(name: string): readonly Permission[] {
    const role = this.#knownRole(name)
    return name === ROOT ? [ROOT_PERMISSION] : role.permissions
  }

  /** @throws GrpcError where the user is not root. */
  requireAdmin(info: AuthInfo | undefined): void {
    if (!this.#enabled) return
    if (!info || info.username === '') throw ERRORS.userEmpty()
    const user = this.#users.get(info.username)
    if (!user) throw ERRORS.userNotFound()
    if (!user.roles.includes(ROOT)) throw ERRORS.permissionDenied()
  }

  isAdmin(info: AuthInfo | undefined): boolean {
    if (!this.#enabled) return true
    return this.#users.get(info?.username ?? '')?.roles.includes(ROOT) ?? false
  }

  requireRead(info: AuthInfo | undefined, key: Uint8Array, rangeEnd: Uint8Array = NO_END): void {
    if (this.#enabled) this.#require(info, (granted) => granted.mayRead(key, rangeEnd))
  }

  requireWrite(info: AuthInfo | undefined, key: Uint8Array, rangeEnd: Uint8Array = NO_END): void {
    if (this.#enabled) this.#require(info, (granted) => granted.mayWrite(key, rangeEnd))
  }

  hasRole(name: string, role: string): boolean {
    return this.#users.get(name)?.roles.includes(role) ?? false
  }

  #require(info: AuthInfo | undefined, holds: (granted: RangePermissions) => boolean): void {
    if (!info || info.revision === 0n) throw ERRORS.userEmpty()
    if (info.revision < this.#revision) throw ERRORS.authOldRevision()
    const user = this.#users.get(info.username)
    if (!user) throw ERRORS.permissionDenied()
    if (!user.roles.includes(ROOT) && !holds(this.#granted(user))) throw ERRORS.permissionDenied()
  }

  #granted(user: User): RangePermissions {
    const known = this.#permissions.get(user.name)
    if (known) return known
    const granted = new RangePermissions(user.roles.flatMap((role) => this.#roles.get(role)?.permissions ?? []))
    this.#permissions.set(user.name, granted)
    return granted
  }

  #knownUser(name: string): User {
    const user = this.#users.get(name)
    if (!user) throw ERRORS.userNotFound()
    return user
  }

  #knownRole(name: string): Role {
    const role = this.#roles.get(name)
    if (!role) throw ERRORS.roleNotFound()
    return role
  }

  #changed(): void {
    this.#revision += 1n
    this.#permissions.clear()
  }
}

const NO_END = new Uint8Array()

const ROOT_PERMISSION = create(PermissionSchema, { permType: Permission_Type.READWRITE, rangeEnd: new Uint8Array([0]) })

function isSameRange(
  one: { key: Uint8Array; rangeEnd: Uint8Array },
  other: { key: Uint8Array; rangeEnd: Uint8Array },
): boolean {
  return keyText(one.key) === keyText(other.key) && keyText(one.rangeEnd) === keyText(other.rangeEnd)
}
