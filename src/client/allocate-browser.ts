/** Takes the place of allocate.ts in browsers, which zero all memory. */
export const allocate: undefined = undefined
