import * as z from "zod";

/**
 * To be imported before any schema is made. Zod compiles a function for each schema that it reads with, which takes
 * longer than a function's few documents do without.
 */
z.config({ jitless: true });
