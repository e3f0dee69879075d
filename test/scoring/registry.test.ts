import { expect, test } from 'vitest';
import { systemClock } from '../../infra/core/clock.ts';
import { noCrash } from '../../infra/core/crashPoint.ts';
import { createMemoryStore } from '../../lakehouse/memoryStorage.ts';
import type { ModelCard } from '../../scoring/modelCard.ts';
import { openRegistry, type Registry } from '../../scoring/registry.ts';
import { championsOf, promoteModel, rollBackModel, wasTakenBack } from '../../scoring/registryMoves.ts';
import { faultyStore, type PutFault } from '../support/faultyStorage.ts';
import { filesOf } from './cards.ts';

const WHO = { by: 'ann', reason: 'because' };
const SLOT = '_models/_log/00000000000000000001.json';

function registryOver(store = createMemoryStore()) {
  return openRegistry({ store, clock: systemClock, crashPoint: noCrash });
}

async function registryWith(...versions: readonly string[]) {
  const store = createMemoryStore();
  const registry = registryOver(store);
  for (const version of versions) await registry.register(filesOf(version));
  return { store, registry };
}

function gatesOf(...failed: ModelCard['gates'][number]['name'][]): ModelCard['gates'] {
  return failed.map((name) => ({
    name,
    passed: false,
    checks: [{ passed: false, reason: `${name} says no` }],
  }));
}

test('a version comes back as it was registered, numbers that JSON does not have included', async () => {
  const { registry } = await registryWith();
  const files = filesOf('v1', { thresholds: { review: Number.POSITIVE_INFINITY, decline: Number.NaN } });
  expect(await registry.register(files)).toBe('registered');
  expect(await registry.load('v1')).toEqual(files);
  expect((await registry.list()).map(({ version }) => version)).toEqual(['v1']);
});

test('a version never changes: the same model again is known with its first card, another one is refused', async () => {
  const { registry } = await registryWith('v1');
  expect(await registry.register(filesOf('v1', { createdAt: '2027-01-01T00:00:00.000Z' }))).toBe('known');
  expect((await registry.card('v1')).createdAt).toBe(filesOf('v1').card.createdAt);
  const other = filesOf('v2');
  const { onnxHash, treesHash } = other.card;
  await expect(
    registry.register({ ...other, card: filesOf('v1', { onnxHash, treesHash }).card }),
  ).rejects.toMatchObject({ code: 'MODEL_CORRUPT' });
});

test('a version without a card is not there, and can be registered to its end', async () => {
  const { store, registry } = await registryWith('v1');
  await store.remove('_models/v1/card.json');
  expect(await registry.list()).toEqual([]);
  await expect(registry.load('v1')).rejects.toMatchObject({ code: 'MODEL_MISSING' });
  await expect(promoteModel(registry, { version: 'v1', ...WHO })).rejects.toMatchObject({
    code: 'MODEL_MISSING',
  });
  expect(await registry.register(filesOf('v1'))).toBe('registered');
});

test.for(['model.onnx', 'trees.json', 'card.json'])('%s with another byte is refused', async (file) => {
  const { store, registry } = await registryWith('v1');
  const key = `_models/v1/${file}`;
  const bytes = (await store.read(key))!;
  bytes[0] = bytes[0]! ^ 1;
  await store.put(key, bytes);
  await expect(registry.load('v1')).rejects.toMatchObject({ code: 'MODEL_CORRUPT' });
  await expect(promoteModel(registry, { version: 'v1', ...WHO })).rejects.toMatchObject({
    code: 'MODEL_CORRUPT',
  });
});

test('promotions move the champion, rollbacks go back one after the other', async () => {
  const { registry } = await registryWith('v1', 'v2', 'v3');
  expect((await registry.aliases()).champion).toBeUndefined();
  for (const version of ['v1', 'v2', 'v3']) await promoteModel(registry, { version, ...WHO });
  expect(await rollBackModel(registry, WHO)).toBe('v2');
  expect(await rollBackModel(registry, WHO)).toBe('v1');
  await expect(rollBackModel(registry, WHO)).rejects.toMatchObject({ code: 'MODEL_NONE_BEFORE' });
  await promoteModel(registry, { version: 'v3', ...WHO });
  expect(championsOf(await registry.history())).toEqual(['v1', 'v3']);
  expect(await registryOver((await registryWith()).store).aliases()).toMatchObject({ champion: undefined });
});

test('a challenger beside the champion is no champion before', async () => {
  const { registry } = await registryWith('v1', 'v2');
  await promoteModel(registry, { version: 'v1', ...WHO });
  await promoteModel(registry, { version: 'v2', alias: 'challenger', ...WHO });
  expect(await registry.aliases()).toEqual({ champion: 'v1', challenger: 'v2', seen: 2 });
  await expect(rollBackModel(registry, WHO)).rejects.toMatchObject({ code: 'MODEL_NONE_BEFORE' });
});

test('a failed gate stops a promotion in its words; a person may vouch for G2, never for G1', async () => {
  const { registry } = await registryWith();
  await registry.register(filesOf('leaky', { gates: gatesOf('G2 data') }));
  await registry.register(filesOf('broken', { gates: gatesOf('G1 parity', 'G2 data') }));
  await expect(promoteModel(registry, { version: 'leaky', ...WHO })).rejects.toMatchObject({
    code: 'MODEL_GATES_FAILED',
    message: expect.stringContaining('G2 data says no'),
  });
  await promoteModel(registry, { version: 'leaky', ...WHO, force: true });
  expect((await registry.history())[0]?.reason).toBe('because (forced over G2 data: G2 data says no)');
  await expect(promoteModel(registry, { version: 'broken', ...WHO, force: true })).rejects.toMatchObject({
    code: 'MODEL_GATES_FAILED',
  });
});

test('two promoters at once: one is first, the other reads again, and both see one order', async () => {
  const { store } = await registryWith('v1', 'v2');
  const [a, b] = [registryOver(store), registryOver(store)];
  await Promise.all([promoteModel(a, { version: 'v1', ...WHO }), promoteModel(b, { version: 'v2', ...WHO })]);
  const history = await a.history();
  expect(history).toEqual(await b.history());
  expect(history.map(({ version }) => version).toSorted()).toEqual(['v1', 'v2']);
});

/** The registry, in which somebody else moves before its first entry is put. */
function overtaken(registry: Registry, move: () => Promise<unknown>): Registry {
  let left = 1;
  return {
    ...registry,
    point: async (change, seen) => {
      if (left-- > 0) await move();
      return await registry.point(change, seen);
    },
  };
}

test('a rollback takes back the champion that it found, whoever moves meanwhile', async () => {
  const { registry } = await registryWith('v1', 'v2', 'v3', 'v4');
  for (const version of ['v1', 'v2', 'v3']) await promoteModel(registry, { version, ...WHO });
  const promoted = overtaken(registry, () => promoteModel(registry, { version: 'v4', ...WHO }));
  await expect(rollBackModel(promoted, WHO)).rejects.toMatchObject({ code: 'MODEL_CHAMPION_MOVED' });
  expect((await registry.aliases()).champion).toBe('v4');
  const rolledBack = overtaken(registry, () => rollBackModel(registry, WHO));
  expect(await rollBackModel(rolledBack, WHO), 'two at once go one step back').toBe('v3');
  expect((await registry.aliases()).champion).toBe('v3');
  const beside = overtaken(registry, () =>
    promoteModel(registry, { version: 'v4', alias: 'challenger', ...WHO }),
  );
  expect(await rollBackModel(beside, WHO)).toBe('v2');
});

test('a version that was rolled back is known as such until a person promotes it again', async () => {
  const { registry } = await registryWith('v1', 'v2');
  const isTakenBack = async (version: string) => wasTakenBack(await registry.history(), version);
  await promoteModel(registry, { version: 'v1', ...WHO });
  expect([await isTakenBack('v1'), await isTakenBack('v2')]).toEqual([false, false]);
  await promoteModel(registry, { version: 'v2', ...WHO });
  await rollBackModel(registry, WHO);
  expect([await isTakenBack('v1'), await isTakenBack('v2')]).toEqual([false, true]);
  await promoteModel(registry, { version: 'v2', ...WHO });
  expect(await isTakenBack('v2')).toBe(false);
});

test('who decided on what is no longer so does not move the alias', async () => {
  const { store, registry } = await registryWith('v1', 'v2');
  const { seen } = await registry.aliases();
  await promoteModel(registryOver(store), { version: 'v2', ...WHO });
  // Somebody else in this process has seen it; what was decided before is as old as it was.
  await registry.aliases();
  const change = { alias: 'champion', version: 'v1', move: 'promote', ...WHO } as const;
  expect(await registry.point(change, seen)).toBe('taken');
  expect((await registry.aliases()).champion).toBe('v2');
});

test.for<PutFault>(['lostAfter', 'lostBefore', 'late', 'refused'])(
  'a put whose answer is %s moves the alias once',
  async (first) => {
    const { store } = await registryWith('v1', 'v2', 'v3');
    let left = 1;
    const faulty = faultyStore(store, (key) => (key === SLOT && left-- > 0 ? first : 'none'));
    await promoteModel(registryOver(faulty), { version: 'v1', ...WHO });
    await promoteModel(registryOver(faulty), { version: 'v2', ...WHO });
    const history = await registryOver(store).history();
    expect(history.map(({ version }) => version)).toEqual(['v1', 'v2']);
  },
);

test('polling reads only what is new', async () => {
  const { store, registry } = await registryWith('v1', 'v2');
  const counted = faultyStore(store);
  const poller = registryOver(counted);
  await promoteModel(registry, { version: 'v1', ...WHO });
  await poller.aliases();
  const reads = counted.calls.read;
  await poller.aliases();
  expect(counted.calls.read).toBe(reads);
  await promoteModel(registry, { version: 'v2', ...WHO });
  expect((await Promise.all([poller.aliases(), poller.aliases()])).map((a) => a.champion)).toEqual([
    'v2',
    'v2',
  ]);
  expect((await poller.aliases()).seen).toBe(2);
});

test('a log with a hole is refused', async () => {
  const { store, registry } = await registryWith('v1', 'v2');
  await promoteModel(registry, { version: 'v1', ...WHO });
  await promoteModel(registry, { version: 'v2', ...WHO });
  await store.remove(SLOT);
  await expect(registryOver(store).aliases()).rejects.toMatchObject({ code: 'MODEL_LOG_CORRUPT' });
});
