#!/usr/bin/env node
import { endWithReader } from "./cli/closed-output.js";
import { main } from "./cli/main.js";

// The SDK's eight lines on the Node versions that it is going to leave are no answer to a command.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
endWithReader();
await main(process.argv);
