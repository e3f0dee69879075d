import type { MetaData } from '../lakehouse/actions.ts';
import type { TxnUpdate } from '../lakehouse/conflict.ts';
import type { Snapshot } from '../lakehouse/snapshot.ts';

/** A source that a model consumes, at the version that this run reads. */
export interface ConsumedInput {
  readonly table: string;
  readonly tableId: string;
  readonly to: number;
}

/**
 * The table property that names the definition of a table's rows. A definition may come back after
 * another one took its place: its old progress is still in the log, but its rows are not.
 */
export const DEFINITION = 'tidemark.definition';

/**
 * Progress of one definition of a model over one source table: the txn of this name in the model's
 * table is the source version that its rows stand for. Pure.
 */
export function progressAppId(model: string, definition: string, tableId: string): string {
  return `model:${model}@${definition}:${tableId}`;
}

/** Whether the table's rows were computed under this definition. Pure. */
export function isBuilt(snapshot: Snapshot | undefined, definition: string): boolean {
  return snapshot?.metadata.configuration?.[DEFINITION] === definition;
}

/** The snapshot, unless nothing was ever computed: the table's first run died before its commit. Pure. */
export function computedSnapshot(snapshot: Snapshot | undefined): Snapshot | undefined {
  return snapshot?.metadata.configuration?.[DEFINITION] === undefined ? undefined : snapshot;
}

/** The metadata with the definition that the rows are computed under. Pure. */
export function withDefinition(metadata: MetaData, definition: string): MetaData {
  return { ...metadata, configuration: { ...metadata.configuration, [DEFINITION]: definition } };
}

/** The txns of a commit that has consumed these inputs; every input gets its own. Pure. */
export function progressUpdates(
  base: Snapshot,
  owner: { readonly model: string; readonly definition: string },
  inputs: readonly ConsumedInput[],
): TxnUpdate[] {
  return inputs.map(({ tableId, to }) => {
    const appId = progressAppId(owner.model, owner.definition, tableId);
    return { appId, expected: base.txns.get(appId), version: to };
  });
}
