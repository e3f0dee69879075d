import { runProcess } from '../../../infra/core/lifecycle.ts';
import { openAlertStore } from '../../../scoring/alerts/alertStore.ts';

/** Opens the tables of alerts as a starting process does, and goes. */
await runProcess('migrate', async ({ config, log }) => {
  await using store = await openAlertStore(config.postgres.url, log);
  await store.query('select 1 from tidemark.alerts');
});
