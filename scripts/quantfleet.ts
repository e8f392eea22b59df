#!/usr/bin/env node
import { endWithReader } from "./cli/closed-pipe.js";
import { main } from "./cli/main.js";

endWithReader();
await main(process.argv);
