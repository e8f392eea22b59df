import { MemoryObjectStore } from "../../shared/storage/memory-store.js";
import { describeObjectStore } from "./object-store-conformance.js";

describeObjectStore("memory", async () => new MemoryObjectStore());
