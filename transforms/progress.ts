import type { TxnUpdate } from '../lakehouse/conflict.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';

/** A source that a model consumes, at the version that this run reads. */
export interface ConsumedInput {
  readonly table: string;
  readonly tableId: string;
  readonly to: number;
}

/**
 * Progress of one definition of a model over one source table: the txn of this name in the model's
 * table is the source version that its rows stand for. Pure.
 */
export function progressAppId(model: string, definition: string, tableId: string): string {
  return `model:${model}@${definition}:${tableId}`;
}

/** Stands for the sources of a model that reads none but seeds, whose content is in the definition. */
export const NO_SOURCE = 'seeds';

/** Whether the table's rows were computed under this definition. Pure. */
export function isBuilt(snapshot: Snapshot | undefined, model: string, definition: string): boolean {
  const prefix = progressAppId(model, definition, '');
  return snapshot !== undefined && [...snapshot.txns.keys()].some((appId) => appId.startsWith(prefix));
}

/** The txns of a commit that has consumed these inputs; every input gets its own. Pure. */
export function progressUpdates(
  base: Snapshot,
  owner: { readonly model: string; readonly definition: string },
  inputs: readonly ConsumedInput[],
): TxnUpdate[] {
  const marks = inputs.length > 0 ? inputs : [{ tableId: NO_SOURCE, to: 0 }];
  return marks.map(({ tableId, to }) => {
    const appId = progressAppId(owner.model, owner.definition, tableId);
    return { appId, expected: base.txns.get(appId), version: to };
  });
}
