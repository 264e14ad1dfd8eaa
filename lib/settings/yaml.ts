/** The one door to the yaml package. */
export { parse, parseAllDocuments, parseDocument, stringify, LineCounter, YAMLParseError, isMap, isSeq } from 'yaml'
export type { Document } from 'yaml'
