#!/usr/bin/env node
import { endWithReader } from "./cli/closed-pipe.js";
import { main } from "./cli/main.js";

// Node 20 is supported as long as it is here; eight lines of a package's plans are no answer to a command.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
endWithReader();
await main(process.argv);
