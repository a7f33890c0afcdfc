//! `guance_aws_api_gateway`: HTTP and WebSocket APIs of API Gateway (GetApis, 2018-11-29).

use super::*;

static API: Rest =
    Rest { version: "2018-11-29", method: "GET", path: "/v2/apis", small: true, model: "apigatewayv2" };
static LIST: Action = listing("apigateway", "GetApis", "apigateway:GET");

/// The collector.
pub static API_GATEWAY: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aws_api_gateway",
        name: "aws_gateway",
        measurement: "aws_gateway",
        title: "Amazon API Gateway HTTP and WebSocket APIs",
        title_zh: "亚马逊 API Gateway",
        actions: &[&LIST, &ASSUME_ROLE],
        tags: &[
            name("ApiId"),
            tag("ApiId", "the API's id"),
            tag_at("api_name", "Name", "the API's name"),
            tag("ApiKeySelectionExpression", "where callers put their key"),
            tag("CreatedDate", "when it was made"),
            tag("Description", "its description"),
            Reported {
                kind: Type::Structure,
                ..tag_of("instance_tags", Source::Path("Tags"), "its tags, JSON text")
            },
            tag("ProtocolType", "`HTTP`, `WEBSOCKET`"),
            tag_of("region_id", Source::Region, "the region"),
        ],
        fields: &[MESSAGE],
        ..OBJECTS
    },
    list: List {
        request: request(&API, &LIST),
        paging: tokens("nextToken", "NextToken", "maxResults", 100),
        items: "Items",
        id: "ApiId",
    },
    sample: r#"{
"item": {"Tags": {}, "ApiId": "xxxx", "Name": "test", "ApiKeySelectionExpression": "$request.header.x-api-key",
"CreatedDate": "2023-08-16T06:12:45Z", "Description": "test", "ProtocolType": "HTTP"},
"point": {"tags": {"name": "xxxx", "ApiId": "xxxx", "api_name": "test",
"ApiKeySelectionExpression": "$request.header.x-api-key", "CreatedDate": "2023-08-16T06:12:45Z",
"Description": "test", "instance_tags": "{}", "ProtocolType": "HTTP", "region_id": "cn-north-1"}, "fields": {}}}"#,
    ..ObjectCollector::DECLARED
};
