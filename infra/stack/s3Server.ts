import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fault } from '../core/errorCatalog.ts';
import { type LaunchOptions, launch, type RunningServer, type ServerCommand } from './serverProcess.ts';

/** An S3 server (versitygw) over a local directory: for tests, and to try a lake in S3. */
export interface S3ServerOptions {
  /** Everything of this server; each folder of its `buckets` is a bucket. */
  readonly dir: string;
  readonly port: number;
  /** Config.toolsDir, filled by bring.sh. */
  readonly toolsDir: string;
  readonly logFile?: string;
}

/** What a client needs to know of an S3 server. */
export interface S3Access {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

export interface S3Server extends RunningServer {
  readonly access: S3Access;
}

export const VERSITYGW_VERSION = '1.8.0';

/** Starts the server; `ready` says when clients may come. */
export function startS3(options: S3ServerOptions, launchOptions: LaunchOptions = {}): S3Server {
  const access = accessOf(options.port);
  return { ...launch(s3Command(options, access), launchOptions), access };
}

// === Helpers ===

/** The server's binary. @throws STACK_TOOL_MISSING */
function s3Binary(toolsDir: string): string {
  const path = join(toolsDir, `versitygw-${VERSITYGW_VERSION}`, 'versitygw');
  if (existsSync(path)) return path;
  throw fault('STACK_TOOL_MISSING', {
    tool: 'the S3 server versitygw',
    command: 'sh infra/stack/bring.sh s3 (with Go 1.25 or later)',
  });
}

function accessOf(port: number): S3Access {
  return {
    endpoint: `http://127.0.0.1:${port}`,
    accessKeyId: 'tidemark',
    secretAccessKey: 'tidemark-local-only',
    region: 'us-east-1',
  };
}

function s3Command(options: S3ServerOptions, access: S3Access): ServerCommand {
  const { dir, port, toolsDir } = options;
  const buckets = join(dir, 'buckets');
  mkdirSync(buckets, { recursive: true });
  return {
    name: 's3',
    command: s3Binary(toolsDir),
    args: [
      ...['--quiet', '--health', '/health', '--port', `127.0.0.1:${port}`],
      ...['--region', access.region, 'posix', buckets],
    ],
    // In the environment, not among the arguments, which every user of the machine can list.
    env: { ROOT_ACCESS_KEY: access.accessKeyId, ROOT_SECRET_KEY: access.secretAccessKey },
    logFile: options.logFile ?? join(dir, 's3.log'),
    stopSignal: 'SIGTERM',
    isReady: () => answersHealth(`${access.endpoint}/health`),
  };
}

async function answersHealth(url: string): Promise<boolean> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined);
  await answer?.arrayBuffer();
  return answer?.ok === true;
}
