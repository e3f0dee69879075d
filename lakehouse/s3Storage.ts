import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { fault, isFault } from '../infra/core/errorCatalog.ts';
import { TidemarkError } from '../infra/core/errors.ts';
import type { Clock } from '../infra/core/ports.ts';
import { withRetry } from '../infra/core/retry.ts';
import { openObjectCache } from './objectCache.ts';
import type { ObjectInfo, ObjectStore, PutIfAbsentResult } from './storage.ts';

export interface S3Options {
  readonly bucket: string;
  /** Without slashes at the ends; empty for the whole bucket. */
  readonly prefix: string;
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly accessKeyId: string | undefined;
  readonly secretAccessKey: string | undefined;
  readonly cacheDir: string;
  readonly cacheBytes: number;
  readonly clock: Clock;
}

/** From this size on a file is uploaded in parts, which go again one by one. */
const MULTIPART_BYTES = 32 * 2 ** 20;
const CONNECT_WITHIN_MS = 5_000;
const ANSWER_WITHIN_MS = 30_000;
const RETRY_BUDGET = { initialMs: 100, maxDelayMs: 2_000, totalTimeoutMs: 60_000 };

/** Makes the bucket; one that is there already is no error. @throws LAKE_STORE_UNAVAILABLE */
export async function createBucket(
  access: Pick<S3Options, 'endpoint' | 'region' | 'accessKeyId' | 'secretAccessKey'>,
  bucket: string,
): Promise<void> {
  const client = connect(access);
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  } catch (error) {
    if (error instanceof S3ServiceException && error.name.startsWith('BucketAlready')) return;
    throw unavailable(`s3://${bucket}`, error);
  } finally {
    client.destroy();
  }
}

/** A store in an S3 bucket; the only import of the S3 client. */
export async function createS3Store(options: S3Options): Promise<ObjectStore> {
  const uri = `s3://${options.bucket}${options.prefix === '' ? '' : `/${options.prefix}`}`;
  const directory = join(options.cacheDir, createHash('sha256').update(uri).digest('hex').slice(0, 16));
  const cache = await openObjectCache({ directory, maxBytes: options.cacheBytes });
  const root = options.prefix === '' ? '' : `${options.prefix}/`;
  const place = { Bucket: options.bucket };
  const client = connect(options);
  const retried = <T>(attempt: () => Promise<T>) => retry(uri, options.clock, attempt);
  const get = (key: string) => client.send(new GetObjectCommand({ ...place, Key: root + key }));
  return {
    uri,
    read: (key) =>
      retried(async () => orUndefined(async () => (await get(key)).Body?.transformToByteArray())),
    put: (key, body) =>
      retried(async () => {
        await client.send(new PutObjectCommand({ ...place, Key: root + key, Body: body }));
      }),
    putFile: async (key, localPath) => {
      const { size } = await stat(localPath);
      if (size >= MULTIPART_BYTES) {
        await uploadParts({ client, place: { ...place, Key: root + key }, localPath, size, retried });
      } else {
        const body = await readFile(localPath);
        await retried(() => client.send(new PutObjectCommand({ ...place, Key: root + key, Body: body })));
      }
      await rm(localPath, { force: true });
    },
    putIfAbsent: (key, body) =>
      conditionalPut(uri, () =>
        client.send(new PutObjectCommand({ ...place, Key: root + key, Body: body, IfNoneMatch: '*' })),
      ),
    list: (prefix, startAfter) => {
      const from = startAfter === undefined || startAfter === '' ? {} : { StartAfter: root + startAfter };
      return listPages({ client, root, retried, request: { ...place, Prefix: root + prefix, ...from } });
    },
    remove: (key) =>
      retried(async () => {
        await client.send(new DeleteObjectCommand({ ...place, Key: root + key }));
      }),
    openLocal: (key) => cache.open(key, (localPath) => retried(() => download(uri, key, localPath, get))),
  };
}

// === Helpers ===

/** One attempt a call: retries are ours, since a repeated conditional put would meet itself. */
function connect(
  options: Pick<S3Options, 'endpoint' | 'region' | 'accessKeyId' | 'secretAccessKey'>,
): S3Client {
  const { accessKeyId, secretAccessKey } = options;
  return new S3Client({
    region: options.region,
    forcePathStyle: true,
    maxAttempts: 1,
    requestHandler: { connectionTimeout: CONNECT_WITHIN_MS, requestTimeout: ANSWER_WITHIN_MS },
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : { credentials: { accessKeyId, secretAccessKey } }),
  });
}

/** 412: somebody has it. 409, 5xx, timeouts and broken connections: nobody knows. */
async function conditionalPut(uri: string, put: () => Promise<unknown>): Promise<PutIfAbsentResult> {
  try {
    await put();
    return 'created';
  } catch (error) {
    if (statusOf(error) === 412) return 'exists';
    if (isTransient(error)) return 'unknown';
    throw unavailable(uri, error);
  }
}

async function retry<T>(uri: string, clock: Clock, attempt: () => Promise<T>): Promise<T> {
  try {
    return await withRetry(attempt, { clock, isRetriable: isTransient, policy: RETRY_BUDGET });
  } catch (error) {
    if (error instanceof TidemarkError) throw error;
    throw unavailable(uri, error);
  }
}

async function orUndefined<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function download(
  uri: string,
  key: string,
  localPath: string,
  get: (key: string) => Promise<{ Body?: unknown; ContentLength?: number | undefined }>,
): Promise<void> {
  const answer = await orUndefined(() => get(key));
  if (!(answer?.Body instanceof Readable)) throw fault('LAKE_OBJECT_MISSING', { uri, key });
  await pipeline(answer.Body, createWriteStream(localPath));
  const { size } = await stat(localPath);
  if (answer.ContentLength !== undefined && size !== answer.ContentLength) {
    const detail = `a body of ${answer.ContentLength} bytes ended after ${size}`;
    throw fault('LAKE_STORE_UNAVAILABLE', { uri, detail });
  }
}

async function* listPages(listing: {
  readonly client: S3Client;
  readonly root: string;
  readonly retried: <T>(attempt: () => Promise<T>) => Promise<T>;
  readonly request: { Bucket: string; Prefix: string; StartAfter?: string };
}): AsyncGenerator<ObjectInfo> {
  let token: string | undefined;
  do {
    const page = { ...listing.request, ...(token === undefined ? {} : { ContinuationToken: token }) };
    const answer = await listing.retried(() => listing.client.send(new ListObjectsV2Command(page)));
    for (const { Key = '', Size = 0, LastModified } of answer.Contents ?? []) {
      yield { key: Key.slice(listing.root.length), size: Size, modifiedMs: LastModified?.getTime() ?? 0 };
    }
    token = answer.NextContinuationToken;
  } while (token !== undefined);
}

async function uploadParts(upload: {
  readonly client: S3Client;
  readonly place: { readonly Bucket: string; readonly Key: string };
  readonly localPath: string;
  readonly size: number;
  readonly retried: <T>(attempt: () => Promise<T>) => Promise<T>;
}): Promise<void> {
  const { client, place, retried } = upload;
  const created = await retried(() =>
    client.send(new CreateMultipartUploadCommand({ ...place, ChecksumAlgorithm: 'CRC32' })),
  );
  const id = { ...place, UploadId: created.UploadId };
  try {
    await using file = await open(upload.localPath, 'r');
    const parts: { PartNumber: number; ETag: string | undefined; ChecksumCRC32: string | undefined }[] = [];
    for (let start = 0; start < upload.size; start += MULTIPART_BYTES / 2) {
      const body = Buffer.alloc(Math.min(MULTIPART_BYTES / 2, upload.size - start));
      await file.read(body, 0, body.length, start);
      const PartNumber = parts.length + 1;
      const part = { ...id, PartNumber, Body: body, ChecksumAlgorithm: 'CRC32' as const };
      const done = await retried(() => client.send(new UploadPartCommand(part)));
      parts.push({ PartNumber, ETag: done.ETag, ChecksumCRC32: done.ChecksumCRC32 });
    }
    const finish = { ...id, MultipartUpload: { Parts: parts } };
    await retried(() => client.send(new CompleteMultipartUploadCommand(finish)));
  } catch (error) {
    await client.send(new AbortMultipartUploadCommand(id));
    throw error;
  }
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

function isMissing(error: unknown): boolean {
  return error instanceof S3ServiceException && (error.name === 'NoSuchKey' || error.name === 'NotFound');
}

/** Connections that broke or stalled: the names that Node and the client give them. */
const BROKEN = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
  'TimeoutError',
  'RequestTimeout',
]);

/** Answers that may be otherwise next time. A missing bucket or a refused key stays as it is. */
function isTransient(error: unknown): boolean {
  if (isFault(error, 'LAKE_STORE_UNAVAILABLE')) return true;
  const status = statusOf(error);
  if (status !== undefined) return status === 409 || status === 429 || status >= 500;
  if (!(error instanceof Error)) return false;
  const isTorn = error.message === 'aborted' || error.message === 'socket hang up';
  return isTorn || BROKEN.has(error.name) || ('code' in error && BROKEN.has(String(error.code)));
}

function unavailable(uri: string, error: unknown) {
  const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return fault('LAKE_STORE_UNAVAILABLE', { uri, detail }, error);
}
