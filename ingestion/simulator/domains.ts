/** The three domains of payments; each has a topic of its own. */
export const DOMAINS = ['gaming', 'fintech', 'ecommerce'] as const;

export type Domain = (typeof DOMAINS)[number];

export const TOPIC_OF: Readonly<Record<Domain, string>> = {
  gaming: 'tx.gaming',
  fintech: 'tx.fintech',
  ecommerce: 'tx.ecommerce',
};

export const LABELS_TOPIC = 'labels';
