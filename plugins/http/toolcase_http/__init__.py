"""Tools that fetch over HTTP, and reach only what the host allows."""

from toolcase_http.answer import Fetched as Fetched
from toolcase_http.answer import Head as Head
from toolcase_http.errors import NotSent as NotSent
from toolcase_http.plugin import HttpPlugin as HttpPlugin
from toolcase_http.resolver import Resolver as Resolver
from toolcase_http.settings import HttpSettings as HttpSettings
