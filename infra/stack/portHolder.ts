import { readdirSync, readFileSync } from 'node:fs';
import { allPids, commandLine, readLink } from './processTable.ts';

/** A socket that listens, as /proc/net/tcp shows it. */
export interface Listener {
  readonly inode: string;
  readonly uid: number;
}

/**
 * Who keeps us from listening on `port` of the loopback interface: a pid with its command, or a user
 * when its processes are hidden from us; undefined when the port is free.
 */
export function portHolder(port: number): string | undefined {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFileSync(file, 'utf8'));
  const listener = tables.map((table) => findListener(table, port)).find((found) => found !== undefined);
  if (listener === undefined) return undefined;
  const pid = allPids().find((candidate) => holds(candidate, listener.inode));
  if (pid === undefined) return `a process of the user with id ${listener.uid}`;
  return `process ${pid} (${commandLine(pid).slice(0, 80)})`;
}

/** The listener in a table of /proc/net/tcp or tcp6 that a bind to 127.0.0.1:`port` clashes with. Pure. */
export function findListener(table: string, port: number): Listener | undefined {
  for (const line of table.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/);
    const [address = '', hexPort = ''] = (fields[1] ?? '').split(':');
    const listens = fields[3] === '0A';
    if (listens && Number.parseInt(hexPort, 16) === port && coversLoopback(address)) {
      return { uid: Number(fields[7]), inode: String(fields[9]) };
    }
  }
  return undefined;
}

// === Helpers ===

/** Any address, 127.0.0.1, or the latter mapped into IPv6; the kernel prints words little-endian. */
function coversLoopback(address: string): boolean {
  return /^0+$/.test(address) || address === '0100007F' || address === '0000000000000000FFFF00000100007F';
}

function holds(pid: number, inode: string): boolean {
  const folder = `/proc/${pid}/fd`;
  return listFolder(folder).some((fd) => readLink(`${folder}/${fd}`) === `socket:[${inode}]`);
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    // Ended meanwhile, or of another user: then it is not one that we can name.
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return [];
    throw error;
  }
}
