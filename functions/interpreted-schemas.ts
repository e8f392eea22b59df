import * as z from "zod";

/**
 * Makes Zod interpret schemas. By default it compiles a function per schema, which takes longer than
 * interpreting them for the few documents that a function reads. Import this module before any schema is
 * created.
 */
z.config({ jitless: true });
