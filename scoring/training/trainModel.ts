import { fault } from '../../infra/core/errorCatalog.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { newestRelease, type Release, readRelease } from '../../lakehouse/release.ts';
import type { FeatureSet } from '../../transforms/featureSet.ts';
import type { ModelCard, ModelFiles } from '../modelCard.ts';
import type { Registry } from '../registry.ts';
import { failedGates, wasTakenBack } from '../registryMoves.ts';
import type { ScoringContent } from '../scoringContent.ts';
import { type Candidate, trainCandidate } from './candidate.ts';
import { modelFilesOf } from './card.ts';
import { judgeAgainst } from './champion.ts';
import { type Extract, extractRows } from './extract.ts';
import type { Gate } from './gates.ts';
import { DEFAULT_TREES, type TreeOptions } from './treeTraining.ts';
import type { Xgboost } from './xgboostLibrary.ts';

export interface TrainingDeps {
  readonly lake: Lake;
  readonly registry: Registry;
  readonly xgboost: Xgboost;
  /** Progress, a line at a time. */
  readonly say: (line: string) => void;
}

export interface TrainingRequest {
  readonly sets: readonly FeatureSet[];
  /** In the order of the model's input. */
  readonly featureNames: readonly string[];
  readonly scoring: ScoringContent;
  /** The newest when not given. */
  readonly release?: number;
  /** T, ms since 1970 UTC; when the release was made, when not given. */
  readonly untilMs?: number;
  /** Whether a candidate that passes becomes champion. */
  readonly promote: boolean;
  /** Who asked, for the log of aliases. */
  readonly by: string;
}

export interface TrainingReport {
  readonly card: ModelCard;
  /** `known`: the same release and T were trained before. */
  readonly registered: 'registered' | 'known';
  readonly promoted: boolean;
  /** Why it was promoted, or why not. */
  readonly reason: string;
  /** G4, when there was a champion to compare with. */
  readonly comparison: Gate | undefined;
  readonly champion: string | undefined;
}

/**
 * Extract → train → judge → register → promote. The first model is promoted when it passes its gates, a
 * later one when it also passes G4. Blocks for most of its time: call it in a process of its own.
 * @throws TRAINING_NOT_READY, TRAINING_ROWS_INVALID, XGBOOST_MISSING, XGBOOST_FAILED, MODEL_CORRUPT
 */
export async function trainModel(deps: TrainingDeps, request: TrainingRequest): Promise<TrainingReport> {
  const { lake, registry, xgboost, say } = deps;
  const { scoring } = request;
  const trees = treesOf(request);
  const release = await chosenRelease(lake, request.release);
  const untilMs = request.untilMs ?? release.createdMs;
  const timed = stopwatch(lake.clock.nowMs);
  const extract = await extractRows(lake, {
    ...request,
    release,
    untilMs,
    classNames: scoring.classNames,
    settings: scoring.training,
  });
  say(`${extractLine(extract)} of release ${release.number}, ${timed()}`);
  const lineage = lineageOf(release, { untilMs, extract });
  const candidate = await trainCandidate(xgboost, extract.slices, {
    trees,
    budgets: [{ name: 'alerts', alertsPerDay: scoring.policy.alertsPerDay }],
    floors: scoring.training.floors,
    cutoffMs: extract.periods.cutoffMs,
    lineage,
    resamples: RESAMPLES,
  });
  say(`trained and judged: AP ${candidate.validation.model.averagePrecision.toFixed(3)}, ${timed()}`);
  const facts = { extract, candidate, untilMs, trees, policy: scoring.policy, release: release.number };
  const files = modelFilesOf(xgboost, { ...facts, createdMs: lake.clock.nowMs() });
  const registered = await registry.register(files);
  say(`${registered === 'known' ? 'known already' : 'registered'}: ${files.card.version}`);
  const outcome = await promoteIfBetter(registry, { request, files, candidate, extract });
  return { card: files.card, registered, ...outcome };
}

// === Helpers ===

const RESAMPLES = 400;

function treesOf({ scoring }: TrainingRequest): TreeOptions {
  return { ...DEFAULT_TREES, ...scoring.training.trees };
}

async function chosenRelease({ store }: Lake, number: number | undefined): Promise<Release> {
  const newest = await newestRelease(store);
  if (newest === undefined) throw fault('TRAINING_NO_RELEASE', {});
  if (number === undefined) return newest;
  const release = await readRelease(store, number);
  if (release !== undefined) return release;
  throw fault('LAKE_RELEASE_UNKNOWN', { release: number, newest: newest.number });
}

function lineageOf(release: Release, made: { untilMs: number; extract: Extract }) {
  const { untilMs, extract } = made;
  return {
    release: String(release.number),
    'time T': new Date(untilMs).toISOString(),
    extract: extract.hash,
    features: extract.features.every(({ hashes }) => Object.keys(hashes).length > 0)
      ? `${extract.features.length} with hashes`
      : undefined,
  };
}

interface Made {
  readonly request: TrainingRequest;
  readonly files: ModelFiles;
  readonly candidate: Candidate;
  readonly extract: Extract;
}

type Outcome = Pick<TrainingReport, 'promoted' | 'reason' | 'comparison' | 'champion'>;

/** When somebody else moves the alias meanwhile, it is compared with the champion that is there now. */
async function promoteIfBetter(registry: Registry, made: Made): Promise<Outcome> {
  const { request, files } = made;
  const { version } = files.card;
  for (;;) {
    const { champion, seen } = await registry.aliases();
    const kept = { promoted: false, champion, comparison: undefined };
    if (champion === version) return { ...kept, reason: 'it is the champion already' };
    const comparison = champion === undefined ? undefined : await compare(registry, champion, made);
    const isTakenBack = wasTakenBack(await registry.history(), version);
    const whyNot = whyNotPromote(made, { comparison, isTakenBack });
    if (whyNot !== undefined) return { promoted: false, champion, comparison, reason: whyNot };
    const reason = comparison?.checks.at(-1)?.reason ?? 'the first model that passed its gates';
    const change = { alias: 'champion', version, move: 'promote', by: request.by, reason } as const;
    if ((await registry.point(change, seen)) === 'written') {
      return { promoted: true, champion: version, comparison, reason };
    }
  }
}

function whyNotPromote(
  { request, files }: Made,
  { comparison, isTakenBack }: { readonly comparison: Gate | undefined; readonly isTakenBack: boolean },
): string | undefined {
  // The same release and T give the same version again; a person's word is not undone by repeating the work.
  if (isTakenBack) return 'it was rolled back before: only a person promotes it again';
  const failed = failedGates(files.card);
  if (failed !== '') return `it did not pass its gates: ${failed}`;
  if (comparison?.passed === false) return failedGates({ gates: [comparison] });
  return request.promote ? undefined : 'promotion was not wanted';
}

async function compare(registry: Registry, champion: string, made: Made): Promise<Gate> {
  const { files, candidate, extract, request } = made;
  return judgeAgainst(await registry.load(champion), {
    files,
    validation: extract.slices.validation,
    scores: candidate.probabilities.validation,
    resamples: RESAMPLES,
    seed: treesOf(request).seed,
  });
}

function extractLine({ slices, leftOut }: Extract): string {
  const { training, calibration, validation } = slices;
  const rows = [training, calibration, validation].map(({ classes }) => classes.length);
  const left = leftOut === 0 ? '' : `, ${leftOut} left out (their label names no class)`;
  return `${rows.join(' + ')} rows to train, calibrate and validate${left}`;
}

/** The seconds since the last call, as text. */
function stopwatch(nowMs: () => number): () => string {
  let last = nowMs();
  return () => {
    const before = last;
    last = nowMs();
    return `${((last - before) / 1_000).toFixed(1)} s`;
  };
}
