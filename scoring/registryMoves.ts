import { fault } from '../infra/core/errorCatalog.ts';
import type { ModelCard } from './modelCard.ts';
import type { Registry } from './registry.ts';
import type { Alias, AliasEntry } from './registryLog.ts';

export interface Promotion {
  readonly version: string;
  readonly alias?: Alias;
  readonly by: string;
  readonly reason: string;
  /** A person vouches for gates that ask a person (G2 and G5); the reason goes into the log. */
  readonly force?: boolean;
}

/**
 * Points the alias (champion) at a version whose files are whole and whose gates passed. When somebody
 * else moves at once, it reads again and then comes after them.
 * @throws MODEL_GATES_FAILED, MODEL_MISSING, MODEL_CORRUPT
 */
export async function promoteModel(registry: Registry, promotion: Promotion): Promise<void> {
  const { version, alias = 'champion', by, force = false } = promotion;
  const { card } = await registry.load(version);
  const failed = requireGates(card, force);
  const reason = failed === '' ? promotion.reason : `${promotion.reason} (forced over ${failed})`;
  for (;;) {
    const { seen } = await registry.aliases();
    const pointed = await registry.point({ alias, version, move: 'promote', by, reason }, seen);
    if (pointed === 'written') return;
  }
}

/**
 * Points champion at the champion before, and again further back when called again. Returns the version. When
 * somebody else moves at once, it takes back no other champion than the one that it found.
 * @throws MODEL_NONE_BEFORE, MODEL_MISSING, MODEL_CORRUPT, MODEL_CHAMPION_MOVED
 */
export async function rollBackModel(
  registry: Registry,
  { by, reason }: Pick<Promotion, 'by' | 'reason'>,
): Promise<string> {
  const [found, before] = championsOf(await registry.history()).reverse();
  if (found === undefined || before === undefined) throw fault('MODEL_NONE_BEFORE', {});
  await registry.load(before);
  for (;;) {
    const history = await registry.history();
    const now = championsOf(history).at(-1);
    if (now === before) return before;
    if (now !== found) throw fault('MODEL_CHAMPION_MOVED', { found, now: now ?? 'none' });
    const change = { alias: 'champion', version: before, move: 'rollback', by, reason } as const;
    if ((await registry.point(change, history.length)) === 'written') return before;
  }
}

/** Whether the version was champion until somebody rolled it back. Pure. */
export function wasTakenBack(history: readonly AliasEntry[], version: string): boolean {
  const wasChampion = history.some((entry) => entry.alias === 'champion' && entry.version === version);
  return wasChampion && !championsOf(history).includes(version);
}

/** Champions that a rollback can go through, the present one last. Pure. */
export function championsOf(history: readonly AliasEntry[]): string[] {
  const champions: string[] = [];
  for (const { alias, version, move } of history) {
    if (alias !== 'champion') continue;
    if (move === 'rollback') champions.pop();
    else if (version !== null && champions.at(-1) !== version) champions.push(version);
  }
  return champions;
}

/** The gates that did not pass, with the reasons, as one text; empty when all passed. Pure. */
export function failedGates({ gates }: Pick<ModelCard, 'gates'>): string {
  return gates
    .filter(({ passed }) => !passed)
    .map(({ name, checks }) => {
      const reasons = checks.filter(({ passed }) => !passed).map(({ reason }) => reason);
      return `${name}: ${reasons.join('; ')}`;
    })
    .join(' | ');
}

// === Helpers ===

/** Gates after which a person may say that it is right all the same. */
const ASKS_A_PERSON = /^G[25] /;

/** The failed gates that a person vouches for. */
function requireGates(card: ModelCard, force: boolean): string {
  const failed = failedGates(card);
  const hopeless = card.gates.filter(({ name, passed }) => !passed && !ASKS_A_PERSON.test(name));
  if (failed === '' || (force && hopeless.length === 0)) return failed;
  throw fault('MODEL_GATES_FAILED', { version: card.version, failed });
}
