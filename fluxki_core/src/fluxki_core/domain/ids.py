"""Names for the keys of records: whole numbers inside, told apart by type.

A ticket's id is its number, the one people see (`[#N]`). Files are also known by a random token, because a file's
address can leave a signed-in page; the other ids are served only where a permission was checked.
"""

from typing import NewType

AccountId = NewType("AccountId", int)
AgentId = NewType("AgentId", int)
AnalysisId = NewType("AnalysisId", int)
ClassificationId = NewType("ClassificationId", int)
ContactId = NewType("ContactId", int)
CustomerId = NewType("CustomerId", int)
DeliveryId = NewType("DeliveryId", int)
DepartmentId = NewType("DepartmentId", int)
EventId = NewType("EventId", int)
KeywordId = NewType("KeywordId", int)
MessageId = NewType("MessageId", int)
QuestionId = NewType("QuestionId", int)
RawId = NewType("RawId", int)
StageId = NewType("StageId", int)
TicketId = NewType("TicketId", int)
FileToken = NewType("FileToken", str)
