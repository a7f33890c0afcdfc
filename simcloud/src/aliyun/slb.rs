//! SLB, classic load balancers (API 2014-05-15).

use super::estate::AliyunProduct::Slb;
use super::parameters::Parameters;
use super::{Context, Refusal, refuse};
use serde_json::{Value, json};

pub(super) fn answer(context: &Context<'_>, parameters: &mut Parameters) -> Result<Value, Refusal> {
    let region = context.region(parameters)?;
    match context.action {
        "DescribeLoadBalancers" => {
            if parameters.text("PageSize").is_some() {
                parameters.required("PageNumber")?;
            }
            let page = parameters.page(1..=100, 50)?;
            let all: Vec<Value> =
                context.estate().of(Slb, &region).map(|object| object.item.clone()).collect();
            Ok(
                json!({ "LoadBalancers": { "LoadBalancer": page.of(&all) }, "PageNumber": page.number, "PageSize": page.size, "TotalCount": all.len() }),
            )
        }
        "DescribeLoadBalancerAttribute" => detail(context, parameters, &region, "attribute"),
        "DescribeHealthStatus" => {
            let backends = detail(context, parameters, &region, "health")?;
            Ok(json!({ "BackendServers": { "BackendServer": backends } }))
        }
        _ => Ok(
            json!({ "ServerCertificates": { "ServerCertificate": context.estate().certificates(&region) } }),
        ),
    }
}

fn detail(
    context: &Context<'_>,
    parameters: &mut Parameters,
    region: &str,
    name: &str,
) -> Result<Value, Refusal> {
    let id = parameters.required("LoadBalancerId")?;
    let estate = context.estate();
    let object = estate.find(Slb, &id).filter(|object| object.region == region).ok_or_else(|| {
        refuse(400, "InvalidLoadBalancerId.NotFound", "The specified LoadBalancerId does not exist.")
    })?;
    Ok(object.details.get(name).cloned().unwrap_or_else(|| json!({})))
}
