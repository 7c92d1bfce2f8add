-- Names that a request goes by: whoever asks by CIBA counts them, and whoever takes more time looks whether there is one.
create index backchannel_by_request on approvals.backchannel_requests (request);
