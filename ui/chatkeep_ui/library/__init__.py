"""The pages of one's documents: plain forms, rendered by the server, with a script for progress and dropping files."""

from chatkeep_ui.library.collections import COLLECTION, COLLECTIONS
from chatkeep_ui.library.document_search import SEARCH
from chatkeep_ui.library.documents import DOCUMENTS, UPLOAD
from chatkeep_ui.library.passage import PASSAGE
from chatkeep_ui.library.trace import TRACE

LIBRARY_PAGES = (DOCUMENTS, UPLOAD, SEARCH, COLLECTIONS, COLLECTION, PASSAGE, TRACE)
