/** Steps kept of one board; older ones make room. */
export const MOST_ENTRIES = 64;

/** How long a board can be read after its last step. */
export const KEPT_MS = 3_600_000;
