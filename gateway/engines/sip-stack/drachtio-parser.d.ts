/** The part of drachtio-srf's SIP parser that is used here; the package ships no types for it. */
declare module 'drachtio-srf/lib/sip-parser/parser.js' {
  interface ParsedUri {
    scheme: string;
    user?: string;
    host?: string;
    port?: number;
  }
  const parser: {
    parseUri(text: string): ParsedUri | undefined;
  };
  export default parser;
}
