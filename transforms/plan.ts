import type { Model } from './model.ts';

/**
 * What a table gained since a model consumed it. `append`: only new rows; `rewrite`: rows went as
 * well; `retyped`: they had columns of other types; `lost`: its log or its files no longer reach back that far.
 */
export type Gain = 'none' | 'append' | 'rewrite' | 'retyped' | 'lost';

export interface InputState {
  readonly table: string;
  /** The source version that the model's table has consumed; undefined: none under this definition. */
  readonly from: number | undefined;
  /** The version that this run reads; undefined: the table does not exist yet. */
  readonly to: number | undefined;
  readonly gain: Gain;
}

export interface ModelState {
  readonly selected: boolean;
  /** The version that a rollback holds it at. */
  readonly pinnedTo: number | undefined;
  /** A model upstream that keeps its released version in this run. */
  readonly heldBy: string | undefined;
  /** Whether the table's own progress names this definition, sources or not. */
  readonly built: boolean;
  readonly inputs: readonly InputState[];
}

/** What a run does with a model, and why. */
export type Action =
  | { readonly kind: 'full'; readonly why: string }
  | { readonly kind: 'incremental'; readonly why: string }
  | { readonly kind: 'up to date' | 'pinned' | 'not selected' | 'held' | 'waiting'; readonly why: string };

/** Decides from the model's kind and what is new. Pure; no I/O. */
export function decideAction(model: Model, state: ModelState): Action {
  if (state.pinnedTo !== undefined) return { kind: 'pinned', why: `rolled back to ${state.pinnedTo}` };
  // Also when it is not selected: its own head may stand for rows that the held one does not publish.
  if (state.heldBy !== undefined) return { kind: 'held', why: `${state.heldBy} is held` };
  if (!state.selected) return { kind: 'not selected', why: 'the selection leaves it out' };
  const missing = state.inputs.filter((i) => i.to === undefined);
  if (missing.length > 0) return { kind: 'waiting', why: `no table yet: ${namesOf(missing)}` };
  const unread = state.inputs.filter((i) => i.from === undefined);
  if (!state.built || unread.length > 0) return { kind: 'full', why: whyUnbuilt(state, unread) };
  const lost = state.inputs.filter((i) => i.gain === 'lost');
  if (lost.length > 0) return { kind: 'full', why: `history is gone: ${namesOf(lost)}` };
  const retyped = state.inputs.filter((i) => i.gain === 'retyped');
  if (retyped.length > 0) return { kind: 'full', why: `other types of columns in ${namesOf(retyped)}` };
  const gained = state.inputs.filter((i) => i.gain !== 'none');
  if (gained.length === 0) return { kind: 'up to date', why: 'nothing new' };
  return decideForGains(model, gained);
}

// === Helpers ===

function decideForGains(model: Model, gained: readonly InputState[]): Action {
  const why = `new in ${namesOf(gained)}`;
  const rewritten = gained.filter((i) => i.gain === 'rewrite');
  switch (model.kind.kind) {
    case 'view':
      return { kind: 'up to date', why: 'a view' };
    case 'table':
      return { kind: 'full', why };
    case 'append': {
      const { driver } = model.kind;
      if (!rewritten.some((i) => i.table === driver)) return { kind: 'incremental', why };
      return { kind: 'full', why: `rows went from ${driver}` };
    }
    case 'first':
      if (rewritten.length === 0) return { kind: 'incremental', why };
      return { kind: 'full', why: `rows went from ${namesOf(rewritten)}` };
    case 'partition':
    case 'key':
      return { kind: 'incremental', why };
  }
}

function whyUnbuilt(state: ModelState, unread: readonly InputState[]): string {
  if (!state.built) return 'first run of this definition';
  return `first run over ${namesOf(unread)}`;
}

function namesOf(inputs: readonly InputState[]): string {
  return inputs.map((i) => i.table).join(', ');
}
