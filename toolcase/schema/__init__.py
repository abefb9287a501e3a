"""What a tool takes and gives: from a signature, a model or a JSON Schema to a validator."""

from toolcase.schema.build import Declared as Declared
from toolcase.schema.build import build as build
from toolcase.schema.build import declared_by as declared_by
from toolcase.schema.build import underlying as underlying
from toolcase.schema.given import own_containers as own_containers
from toolcase.schema.schema import Arguments as Arguments
from toolcase.schema.schema import Schema as Schema
from toolcase.schema.words import nearest as nearest
from toolcase.schema.words import shown_value as shown_value
