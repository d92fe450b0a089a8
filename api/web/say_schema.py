"""What the script of the page without names sends."""

from pydantic import BaseModel, ConfigDict, Field

from repository.codewords import MAX_TEXT


class NewLetter(BaseModel):
    """A file that is about to come, or to go on."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key: str = Field(max_length=MAX_TEXT)
    name: str = Field(min_length=1, max_length=1_000)
    size: int = Field(ge=0, le=1 << 53)
    head: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
