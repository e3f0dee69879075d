import { createHash } from 'node:crypto';
import { fault } from '../infra/core/errorCatalog.ts';
import { putOnce } from '../lakehouse/putOnce.ts';
import type { ModelCard, ModelFiles } from './modelCard.ts';
import { decodeCard, encodeCard } from './registryCard.ts';
import {
  type Alias,
  type AliasChange,
  type AliasEntry,
  openAliasLog,
  type RegistryLake,
} from './registryLog.ts';

/** Which versions the aliases point at; undefined: at none. */
export interface Aliases extends Readonly<Record<Alias, string | undefined>> {
  /** Entries of the log that this stands on; `point` wants it back. */
  readonly seen: number;
}

/**
 * Versions of models in the object store, `_models/<version>/{model.onnx,trees.json,card.json}`, and who
 * decides. Versions never change: the card is written last, and a version without one is not there.
 */
export interface Registry {
  /**
   * Idempotent. `known`: the version is there already, with its first card.
   * @throws MODEL_CORRUPT when the card does not fit the files, or other files have its version
   */
  register(files: ModelFiles): Promise<'registered' | 'known'>;
  /** Names of all versions, in order (hence by T). One listing. */
  versions(): Promise<readonly string[]>;
  /** Cards of all versions, in their order. @throws MODEL_CORRUPT */
  list(): Promise<readonly ModelCard[]>;
  /** Only the card. @throws MODEL_MISSING, MODEL_CORRUPT */
  card(version: string): Promise<ModelCard>;
  /** Checked against the hashes in its card. @throws MODEL_MISSING, MODEL_CORRUPT */
  load(version: string): Promise<ModelFiles>;
  /** Cheap to poll: one listing, and reads only what is new. @throws MODEL_LOG_CORRUPT */
  aliases(): Promise<Aliases>;
  /** Every change of an alias, oldest first. @throws MODEL_LOG_CORRUPT */
  history(): Promise<readonly AliasEntry[]>;
  /**
   * Points an alias, if no entry came after the first `seen`; `taken` otherwise: read again and decide
   * again. It asks nothing about the version: `promoteModel` does.
   */
  point(change: AliasChange, seen: number): Promise<'written' | 'taken'>;
}

export function openRegistry(lake: RegistryLake): Registry {
  const log = openAliasLog(lake);
  const card = async (version: string) => decodeCard(version, await readFile(lake, version, 'card.json'));
  return {
    register: (files) => register(lake, files),
    versions: () => listVersions(lake),
    list: async () => {
      const cards: ModelCard[] = [];
      for (const version of await listVersions(lake)) cards.push(await card(version));
      return cards;
    },
    card,
    load: async (version) => {
      const files = {
        card: await card(version),
        onnx: await readFile(lake, version, 'model.onnx'),
        trees: await readFile(lake, version, 'trees.json'),
      };
      requireHashes(files);
      return files;
    },
    aliases: async () => aliasesOf(await log.read()),
    history: () => log.read(),
    point: (change, seen) => log.append(change, seen),
  };
}

// === Helpers ===

const MODELS = '_models/';
/** Not an underscore first: that is where the log is. */
const VERSION = /^[A-Za-z0-9][\w.-]*$/;

function keyOf(version: string, file: string): string {
  return `${MODELS}${version}/${file}`;
}

async function listVersions({ store }: RegistryLake): Promise<string[]> {
  const versions: string[] = [];
  for await (const { key } of store.list(MODELS)) {
    const version = /^_models\/([^/]+)\/card\.json$/.exec(key)?.[1];
    if (version !== undefined) versions.push(version);
  }
  return versions;
}

async function register(lake: RegistryLake, files: ModelFiles): Promise<'registered' | 'known'> {
  const { card, onnx, trees } = files;
  const { version } = card;
  if (!VERSION.test(version)) throw corrupt(version, 'such a name cannot be kept');
  requireHashes(files);
  const known = await lake.store.read(keyOf(version, 'card.json'));
  if (known !== undefined) return sameModel(card, known);
  lake.crashPoint('before-model-put');
  await putSame(lake, version, { name: 'model.onnx', body: onnx });
  await putSame(lake, version, { name: 'trees.json', body: trees });
  lake.crashPoint('before-card-put');
  const body = encodeCard(card);
  // COMMIT POINT: with the card the version is there.
  const there = await putOnce(lake, keyOf(version, 'card.json'), body);
  lake.crashPoint('after-card-put');
  return Buffer.compare(there, body) === 0 ? 'registered' : sameModel(card, there);
}

/** Cards of one version differ in their time of making only. */
function sameModel({ version, onnxHash }: ModelCard, there: Uint8Array): 'known' {
  if (decodeCard(version, there).onnxHash === onnxHash) return 'known';
  throw corrupt(version, 'another model has this version');
}

/** What is there already must be the same bytes, from a registration that was cut short. */
async function putSame(
  lake: RegistryLake,
  version: string,
  { name, body }: { readonly name: string; readonly body: Uint8Array },
): Promise<void> {
  const there = await putOnce(lake, keyOf(version, name), body);
  if (Buffer.compare(there, body) !== 0) throw corrupt(version, `${name} is there with other bytes`);
}

async function readFile(
  { store }: Pick<RegistryLake, 'store'>,
  version: string,
  file: string,
): Promise<Uint8Array> {
  const bytes = await store.read(keyOf(version, file));
  if (bytes !== undefined) return bytes;
  if (file === 'card.json') throw fault('MODEL_MISSING', { version });
  throw corrupt(version, `${file} is gone`);
}

function requireHashes({ card, onnx, trees }: ModelFiles): void {
  if (sha256(onnx) !== card.onnxHash) throw corrupt(card.version, 'model.onnx is not what its card says');
  if (sha256(trees) !== card.treesHash) throw corrupt(card.version, 'trees.json is not what its card says');
}

function aliasesOf(entries: readonly AliasEntry[]): Aliases {
  const newest = (alias: Alias) => entries.findLast((entry) => entry.alias === alias)?.version ?? undefined;
  return { champion: newest('champion'), challenger: newest('challenger'), seen: entries.length };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function corrupt(version: string, detail: string) {
  return fault('MODEL_CORRUPT', { version, detail });
}
