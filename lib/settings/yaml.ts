/** The one door to the yaml package. */
export {
  isScalar,
  parse,
  parseAllDocuments,
  parseDocument,
  stringify,
  LineCounter,
  YAMLParseError,
  isMap,
  isNode,
  isSeq,
  visit,
} from 'yaml'
export type { Document } from 'yaml'
