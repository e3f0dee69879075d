import { sqlName } from '../infra/core/duckdb.ts';
import type { Lake } from '../lakehouse/lake.ts';
import { scan } from '../lakehouse/scan.ts';
import { duckdbType } from '../lakehouse/schema.ts';
import { openTable } from '../lakehouse/table.ts';
import type { FeatureSet } from '../transforms/featureSet.ts';
import type { GoldEntity } from '../transforms/goldEntity.ts';

/** The newest tiles of each entity as relations; nothing that was closed changes in them. */
export interface OpenTiles extends AsyncDisposable {
  readonly relations: Readonly<Record<string, string>>;
}

export async function openTiles(lake: Lake, set: FeatureSet): Promise<OpenTiles> {
  const stack = new AsyncDisposableStack();
  const relations: Record<string, string> = {};
  try {
    for (const entity of set.gold) {
      const table = await openTable(lake, entity.tilesTable);
      const rows = table && stack.use(await scan(lake, await table.snapshot()));
      relations[entity.name] = rows?.sql ?? noTiles(entity);
    }
    return { relations, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

// === Helpers ===

function noTiles({ tileFields }: GoldEntity): string {
  const columns = tileFields.map(({ name, type }) => `cast(null as ${duckdbType(type)}) as ${sqlName(name)}`);
  return `(select ${columns.join(', ')} where false)`;
}
