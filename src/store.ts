export { StoreError } from './errors.ts'
export { clearStore } from './store/clear-store.ts'
export {
  type LevelBatchOptions,
  type LevelDatabase,
  type LevelIteratorOptions,
  type LevelOperation,
  type LevelStoreOptions,
  levelStore,
} from './store/level-store.ts'
export { memoryStore } from './store/memory-store.ts'
export type { SessionStore, StoreBatch, StoredBlock } from './store/store.ts'
export { type StoreContractCase, type StoreContractSubject, storeContract } from './store/store-contract.ts'
