import * as z from "zod";

/**
 * Import this module before any schema is created. By default Zod compiles a function per schema, which takes
 * longer than interpreting the schemas for the few documents that a function reads.
 */
z.config({ jitless: true });
