#!/usr/bin/env node
import { exitOnClosedOutput } from "./cli/closed-output.js";
import { main } from "./cli/main.js";

// The AWS SDK prints eight lines about Node versions that it will stop supporting, which do not belong in a
// command's output.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
exitOnClosedOutput();
await main(process.argv);
