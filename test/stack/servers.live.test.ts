import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from '../../infra/core/config.ts';
import { ensureTopics, fetchTopicStates } from '../../infra/core/kafka.ts';
import { freePorts } from '../../infra/stack/freePorts.ts';
import { startKafka } from '../../infra/stack/kafkaServer.ts';
import { startPostgres } from '../../infra/stack/postgresServer.ts';
import { findByWorkingDirectory, identifyProcess } from '../../infra/stack/processTable.ts';

const dir = mkdtempSync(join(tmpdir(), 'tidemark-servers-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const { toolsDir } = loadConfig(process.env);

test('a broker that was killed starts again on its directory and ports with its topics', async () => {
  const [port = 0, controllerPort = 0] = await freePorts(2);
  const options = { dir: join(dir, 'kafka'), port, controllerPort, toolsDir };
  const first = startKafka(options, { dieWithParent: true });
  await first.ready;
  await ensureTopics([first.brokers], [{ topic: 'kept', partitions: 2 }]);
  const [before] = await fetchTopicStates([first.brokers], ['kept']);
  await first.kill();
  expect(identifyProcess(first.pid)).toBeUndefined();

  await using second = startKafka(options, { dieWithParent: true });
  await second.ready;
  const [after] = await fetchTopicStates([second.brokers], ['kept']);
  expect(after?.topicId).toBe(before?.topicId);
  expect(after?.partitions).toHaveLength(2);
});

test('two brokers from one template are two clusters', async () => {
  const ids = await Promise.all(
    ['one', 'two'].map(async (name) => {
      const [port = 0, controllerPort = 0] = await freePorts(2);
      const server = startKafka({ dir: join(dir, name), port, controllerPort, toolsDir });
      await server.kill();
      const meta = readFileSync(join(dir, name, 'data', 'meta.properties'), 'utf8');
      return /^cluster\.id=(.{22})$/m.exec(meta)?.[1];
    }),
  );
  expect(ids[0]).toBeDefined();
  expect(ids[0]).not.toBe(ids[1]);
});

test('PostgreSQL that was killed starts again at once, also over a pid file that names another process', async () => {
  const [port = 0] = await freePorts(1);
  const options = { dir: join(dir, 'postgres'), port };
  const dataDir = join(options.dir, 'data');
  const first = startPostgres(options, { dieWithParent: true });
  await first.ready;
  await first.kill();

  // As after a reboot of a container: the pid of the dead server belongs to somebody else, here us.
  const pidFile = join(dataDir, 'postmaster.pid');
  writeFileSync(pidFile, readFileSync(pidFile, 'utf8').replace(/^\d+/, String(process.pid)));
  const second = startPostgres(options, { dieWithParent: true });
  await second.ready;
  expect(findByWorkingDirectory(dataDir)).toContain(second.pid);
  await second.stop();
  expect(findByWorkingDirectory(dataDir)).toEqual([]);
});
