// Wrong at level disk: the same log, and nothing is ever synced: the answer rests on the page cache.
// Refused by survives-power-loss. `node unsynced.mjs DIRECTORY`, without packages.

import { serve } from "./log_store.mjs";

serve(process.argv[2], { sync: false });
