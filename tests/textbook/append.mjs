// Right, at level disk: a log of JSON lines, synced before every answer. `node append.mjs DIRECTORY`, without packages.
// One thread and synchronous calls: requests are answered one after another, so there is nothing to lock.

import { serve } from "./log_store.mjs";

serve(process.argv[2], { sync: true });
