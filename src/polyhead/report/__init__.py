"""The report: numbers gathered from a study's tables, sentences, tables, the document and its renderers."""
