import { createHash } from 'node:crypto';
import { type SqlSession, sqlName } from '../infra/core/duckdb.ts';

/**
 * A hash of a relation's full rows that depends on neither their order, nor the order of columns, nor
 * how files are cut; a row more, less or changed changes it. Excluded columns (lineage) do not count.
 * `relation` is what may follow FROM. Memory is bounded: the sorted row hashes are streamed.
 */
export async function tableHash(
  session: SqlSession,
  relation: string,
  excludedColumns: readonly string[] = [],
): Promise<string> {
  const described = await session.rows(`DESCRIBE FROM ${relation}`);
  const columns = described
    .map((row) => String(row['column_name']))
    .filter((name) => !excludedColumns.includes(name))
    .sort();
  const pack = columns.map((name) => `${sqlName(name)} := ${sqlName(name)}`).join(', ');
  const hash = createHash('sha256').update(JSON.stringify(columns));
  const { chunks } = await session.stream(
    `SELECT md5(to_json(struct_pack(${pack}))::VARCHAR) AS row_hash FROM ${relation} ORDER BY row_hash`,
  );
  for await (const rows of chunks) {
    for (const [rowHash] of rows) hash.update(String(rowHash));
  }
  return hash.digest('hex');
}
