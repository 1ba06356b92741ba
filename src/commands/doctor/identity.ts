import { readFileSync, statSync } from 'node:fs';

/** Who a process is to the kernel, by `/proc/PID/status`, which can be read across users. */
export interface Identity {
  uid: number;
  gid: number;
  /** Capabilities as bits. Who looks must have in effect what is permitted to whom it looks at (`cap_ptrace_access_check`). */
  effective: bigint;
  permitted: bigint;
  /** Its files under `/proc` are not its own user's: its own user may not look into it either. */
  dumpable: boolean;
  /** AppArmor's profile, or another module's label; empty where there is none, or it may not be read. */
  label: string;
}

/** In the kernel's order: bit 0 is CHOWN (`linux/capability.h`). */
const CAPABILITIES =
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'.split(
    ' ',
  );

/** Names of capabilities as a manifest writes them, without `CAP_`. Bits this list does not know are left out. */
export function capabilityNames(mask: bigint): string[] {
  return CAPABILITIES.filter((_, bit) => (mask & (1n << BigInt(bit))) !== 0n);
}

/** All there are, as `privileged: true` gives: SYS_ADMIN, SYS_MODULE and RAWIO come together in no other way. */
export function isPrivileged({ permitted }: Pick<Identity, 'permitted'>): boolean {
  return ['SYS_ADMIN', 'SYS_MODULE', 'SYS_RAWIO'].every((name) => capabilityNames(permitted).includes(name));
}

/** @param pid a number, or `self` @returns `undefined` when the process is gone */
export function identityOf(procRoot: string, pid: number | 'self'): Identity | undefined {
  try {
    const status = readFileSync(`${procRoot}/${pid}/status`, 'latin1');
    const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1] ?? '';
    // real, effective, saved, file system: what opens files is the last
    const id = (name: string) => Number(field(name).split(/\s+/).at(-1));
    const bits = (name: string) => BigInt(`0x${field(name) || '0'}`);
    const uid = id('Uid');
    return {
      uid,
      gid: id('Gid'),
      effective: bits('CapEff'),
      permitted: bits('CapPrm'),
      dumpable: statSync(`${procRoot}/${pid}`).uid === uid,
      label: labelOf(`${procRoot}/${pid}/attr/current`),
    };
  } catch {
    return undefined;
  }
}

function labelOf(file: string): string {
  try {
    return readFileSync(file, 'latin1').replace(/\0|\s+$/g, '');
  } catch {
    return '';
  }
}
