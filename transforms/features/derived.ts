import type { FeatureEntry } from '../feature.ts';

/** Features made of others; each stands on entries above it. */
export const DERIVED_FEATURES: readonly FeatureEntry[] = [
  {
    name: 'amt_ratio_mean_24h',
    number: '2',
    kind: 'derived',
    description: 'the amount over the mean of 24 h',
    expression: 'amount_base_minor / mean_user_24h',
  },
  {
    name: 'amt_z_24h',
    number: '3',
    kind: 'derived',
    description: 'deviations of the amount from the mean of 24 h; a deviation is at least 1 % of the mean',
    expression:
      'if(cnt_user_24h >= 3, (amount_base_minor - mean_user_24h) / larger(sd_user_24h, mean_user_24h / 100), 0 / 0)',
  },
  {
    name: 'amt_ratio_max_24h',
    number: '4',
    kind: 'derived',
    description: 'the amount over the largest of 24 h',
    expression: 'amount_base_minor / max_user_24h',
  },
  {
    name: 'velocity_ratio_24h',
    number: '13',
    kind: 'derived',
    description: 'events of the last hour over the mean hour of 24 h',
    expression: 'cnt_user_1h / (cnt_user_24h / 24)',
  },
  {
    name: 'new_device_24h',
    number: '25',
    kind: 'derived',
    description: 'the device is none of those of 24 h; missing when there was no event',
    expression: 'if(cnt_user_24h > 0, if(same_device_24h = 0, 1, 0), 0 / 0)',
  },
  {
    name: 'amt_ratio_mean_30d',
    number: '2',
    kind: 'derived',
    description: 'the amount over the mean of 30 d',
    expression: 'amount_base_minor / mean_user_30d',
  },
  {
    name: 'amt_z_30d',
    number: '3',
    kind: 'derived',
    description: 'deviations of the amount from the mean of 30 d; a deviation is at least 1 % of the mean',
    expression:
      'if(cnt_user_30d >= 3, (amount_base_minor - mean_user_30d) / larger(sd_user_30d, mean_user_30d / 100), 0 / 0)',
  },
  {
    name: 'amt_ratio_max_90d',
    number: '4',
    kind: 'derived',
    description: 'the amount over the largest of 90 d',
    expression: 'amount_base_minor / max_user_90d',
  },
  {
    name: 'velocity_ratio_30d',
    number: '13',
    kind: 'derived',
    description: 'events of the last hour over the mean hour of 30 d',
    expression: 'cnt_user_1h / (cnt_user_30d / 720)',
  },
  {
    name: 'new_device_90d',
    number: '25',
    kind: 'derived',
    description: 'nobody was on the device within 90 d',
    expression: 'if(is_missing(device_id), 0 / 0, if(is_missing(secs_since_first_device_90d), 1, 0))',
  },
  {
    name: 'merchant_risk_28d',
    number: '38',
    kind: 'derived',
    description: 'share of fraud among what became known of the counterparty, smoothed by 20 events with 1 %',
    expression: '(merchant_known_fraud_n_28d + 0.2) / (merchant_known_n_28d + 20)',
  },
];
