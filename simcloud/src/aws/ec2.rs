//! EC2: `DescribeInstances` and `DescribeRegions` (API 2016-11-15).
//!
//! Owns the XML of an instance. Follows the EC2 API Reference: members as its `Instance` has them, absent where an instance has none.

use super::estate::InstanceTruth;
use super::{Context, Refusal, read_token, refuse, token, xml_escape};
use crate::clock::time;
use crate::faults::FaultKind;
use crate::server::Reply;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use xxhash_rust::xxh3::xxh3_64;

pub(super) fn answer(
    context: &Context<'_>,
    action: &str,
    form: &BTreeMap<String, String>,
) -> Result<Reply, Refusal> {
    if form.get("Version").map(String::as_str) != Some("2016-11-15") {
        return Err(refuse(400, "InvalidParameterValue", "Version must be 2016-11-15"));
    }
    let body = match action {
        "DescribeInstances" => describe(context, form)?,
        "DescribeRegions" => {
            let mut body = String::from("<regionInfo>");
            for region in super::AwsEstate::default().regions {
                let _ = write!(
                    body,
                    "<item><regionName>{region}</regionName><regionEndpoint>ec2.{region}.amazonaws.com</regionEndpoint></item>"
                );
            }
            body + "</regionInfo>"
        }
        _ => {
            return Err(refuse(
                400,
                "InvalidAction",
                format!("The action {action} is not valid for this web service."),
            ));
        }
    };
    Ok(Reply::new(
        200,
        "text/xml;charset=UTF-8",
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\n    <requestId>00000000-0000-4000-8000-000000000000</requestId>\n    {body}\n</{action}Response>"
        ),
    ))
}

fn describe(context: &Context<'_>, form: &BTreeMap<String, String>) -> Result<String, Refusal> {
    let invalid = |message: String| refuse(400, "InvalidParameterValue", message);
    let mut wanted_ids = Vec::new();
    let mut filters: BTreeMap<&str, (String, Vec<String>)> = BTreeMap::new();
    for (key, value) in form {
        let parts: Vec<&str> = key.split('.').collect();
        match parts[..] {
            ["Action" | "Version" | "MaxResults" | "NextToken"] => {}
            ["InstanceId", _] => wanted_ids.push(value.clone()),
            ["Filter", number, "Name"] => filters.entry(number).or_default().0.clone_from(value),
            ["Filter", number, "Value", _] => filters.entry(number).or_default().1.push(value.clone()),
            _ => {
                return Err(refuse(
                    400,
                    "UnknownParameter",
                    format!("The parameter {key} is not recognized"),
                ));
            }
        }
    }
    let most = match form.get("MaxResults") {
        None => context.aws.page,
        Some(_) if !wanted_ids.is_empty() => {
            return Err(refuse(
                400,
                "InvalidParameterCombination",
                "The parameter instancesSet cannot be used with the parameter maxResults",
            ));
        }
        Some(text) => match text.parse::<usize>() {
            Ok(most @ 5..=1000) => most.min(context.aws.page),
            _ => {
                return Err(invalid(format!(
                    "Value ( {text} ) for parameter maxResults is invalid. Expecting a value from 5 to 1000."
                )));
            }
        },
    };
    for (name, _) in filters.values() {
        if !["instance-state-name", "instance-id"].contains(&name.as_str()) {
            return Err(invalid(format!("The filter '{name}' is invalid")));
        }
    }
    let mut bound = String::from(context.region);
    for (key, value) in form.iter().filter(|(key, _)| *key != "NextToken") {
        let _ = write!(bound, "\n{key}={value}");
    }
    let bound = xxh3_64(bound.as_bytes());
    let from = match form.get("NextToken") {
        None => 0,
        Some(text) => {
            read_token(text, bound).ok_or_else(|| invalid("Unable to parse pagination token".into()))?.1
        }
    };
    let estate = context.aws.estate();
    let fits = |instance: &&InstanceTruth| {
        (wanted_ids.is_empty() || wanted_ids.contains(&instance.id))
            && filters.values().all(|(name, values)| match name.as_str() {
                "instance-id" => values.contains(&instance.id),
                _ => values.contains(&instance.state),
            })
    };
    let all: Vec<&InstanceTruth> = estate.instances(context.region).iter().filter(fits).collect();
    if let Some(missing) = wanted_ids.iter().find(|id| !all.iter().any(|instance| instance.id == **id)) {
        return Err(refuse(
            400,
            "InvalidInstanceID.NotFound",
            format!("The instance ID '{missing}' does not exist"),
        ));
    }
    let page: Vec<(usize, &InstanceTruth)> = all.iter().copied().enumerate().skip(from).take(most).collect();
    let mut body = String::from("<reservationSet>");
    for reservation in page.chunks(context.aws.reservation) {
        let _ = write!(
            body,
            "<item><reservationId>r-{:017x}</reservationId><ownerId>123456789012</ownerId><groupSet/><instancesSet>",
            reservation[0].0
        );
        for (index, instance) in reservation {
            body.push_str(&instance_xml(*index, instance));
        }
        body.push_str("</instancesSet></item>");
    }
    body.push_str("</reservationSet>");
    let next = from + page.len();
    if context.fault == Some(FaultKind::RepeatedToken) {
        let _ = write!(body, "<nextToken>{}</nextToken>", token(bound, 'p', 0));
    } else if next < all.len() {
        let _ = write!(body, "<nextToken>{}</nextToken>", token(bound, 'p', next));
    }
    Ok(body)
}

/// One `item` of an `instancesSet`.
fn instance_xml(index: usize, instance: &InstanceTruth) -> String {
    let InstanceTruth { id, instance_type, state, zone, .. } = instance;
    let code = match state.as_str() {
        "running" => 16,
        "stopped" => 80,
        _ => 48,
    };
    let launched = time(instance.launched).format("%Y-%m-%dT%H:%M:%S.000Z");
    let mut xml = String::new();
    let _ = write!(
        xml,
        "<item><instanceId>{id}</instanceId><imageId>ami-0{index:016x}</imageId><instanceState><code>{code}</code><name>{state}</name></instanceState>\
         <privateDnsName>{}</privateDnsName><dnsName>{}</dnsName><reason>{}</reason><keyName>key {}</keyName><amiLaunchIndex>{}</amiLaunchIndex>\
         <productCodes/><instanceType>{instance_type}</instanceType><launchTime>{launched}</launchTime>\
         <placement><availabilityZone>{zone}</availabilityZone><groupName/><tenancy>default</tenancy></placement>\
         <monitoring><state>{}</state></monitoring>",
        instance
            .private_ip
            .as_ref()
            .map(|ip| format!("ip-{}.internal", ip.replace('.', "-")))
            .unwrap_or_default(),
        instance
            .public_ip
            .as_ref()
            .map(|ip| format!("ec2-{}.compute.amazonaws.com.cn", ip.replace('.', "-")))
            .unwrap_or_default(),
        if state == "stopped" { "User initiated (2026-01-01 00:00:00 GMT)" } else { "" },
        index % 3,
        index % 2,
        if instance.basic_monitoring { "disabled" } else { "enabled" },
    );
    if instance.platform == "Windows" {
        xml.push_str("<platform>windows</platform>");
    }
    if let Some(ip) = &instance.private_ip {
        let _ = write!(
            xml,
            "<subnetId>subnet-{index:017x}</subnetId><vpcId>vpc-1</vpcId><privateIpAddress>{ip}</privateIpAddress>"
        );
    }
    if let Some(ip) = &instance.public_ip {
        let _ = write!(xml, "<ipAddress>{ip}</ipAddress>");
    }
    xml.push_str("<sourceDestCheck>true</sourceDestCheck><groupSet><item><groupId>sg-1</groupId><groupName>默认 &amp; &lt;web&gt;</groupName></item></groupSet>");
    if let Some((code, message)) = &instance.state_reason {
        let _ = write!(
            xml,
            "<stateReason><code>{code}</code><message>{}</message></stateReason>",
            xml_escape(message)
        );
    }
    xml.push_str("<architecture>x86_64</architecture><rootDeviceType>ebs</rootDeviceType><rootDeviceName>/dev/xvda</rootDeviceName>");
    if state == "terminated" {
        xml.push_str("<blockDeviceMapping/>");
    } else {
        xml.push_str("<blockDeviceMapping>");
        for (number, device) in ["/dev/xvda", "/dev/sdf"].iter().take(1 + index % 2).enumerate() {
            let _ = write!(
                xml,
                "<item><deviceName>{device}</deviceName><ebs><volumeId>vol-{index:08x}{number}</volumeId><status>attached</status><attachTime>{launched}</attachTime><deleteOnTermination>{}</deleteOnTermination></ebs></item>",
                number == 0
            );
        }
        xml.push_str("</blockDeviceMapping>");
    }
    let _ = write!(xml, "<virtualizationType>hvm</virtualizationType><clientToken/>");
    if !instance.tags.is_empty() {
        xml.push_str("<tagSet>");
        for (key, value) in &instance.tags {
            let _ = write!(
                xml,
                "<item><key>{}</key><value>{}</value></item>",
                xml_escape(key),
                xml_escape(value)
            );
        }
        xml.push_str("</tagSet>");
    }
    xml.push_str("<hypervisor>xen</hypervisor>");
    if let Some(ip) = &instance.private_ip {
        xml.push_str("<networkInterfaceSet>");
        for number in 0..1 + index % 2 {
            let _ = write!(
                xml,
                "<item><networkInterfaceId>eni-{index:08x}{number}</networkInterfaceId><subnetId>subnet-{index:017x}</subnetId><vpcId>vpc-1</vpcId><description>第 {number} 块网卡</description><ownerId>123456789012</ownerId><status>in-use</status><macAddress>02:00:00:00:00:{number:02x}</macAddress><privateIpAddress>{ip}</privateIpAddress><sourceDestCheck>true</sourceDestCheck><groupSet><item><groupId>sg-1</groupId><groupName>default</groupName></item></groupSet><attachment><attachmentId>eni-attach-{number}</attachmentId><deviceIndex>{number}</deviceIndex><status>attached</status><attachTime>{launched}</attachTime><deleteOnTermination>true</deleteOnTermination><networkCardIndex>0</networkCardIndex></attachment><privateIpAddressesSet><item><privateIpAddress>{ip}</privateIpAddress><primary>true</primary></item></privateIpAddressesSet><ipv6AddressesSet/><interfaceType>interface</interfaceType></item>"
            );
        }
        xml.push_str("</networkInterfaceSet>");
    }
    let _ = write!(
        xml,
        "<ebsOptimized>false</ebsOptimized><enaSupport>true</enaSupport><cpuOptions><coreCount>1</coreCount><threadsPerCore>2</threadsPerCore></cpuOptions><capacityReservationSpecification><capacityReservationPreference>open</capacityReservationPreference></capacityReservationSpecification><hibernationOptions><configured>false</configured></hibernationOptions><enclaveOptions><enabled>false</enabled></enclaveOptions><metadataOptions><state>applied</state><httpTokens>required</httpTokens><httpPutResponseHopLimit>2</httpPutResponseHopLimit><httpEndpoint>enabled</httpEndpoint></metadataOptions><platformDetails>{}</platformDetails><usageOperation>RunInstances</usageOperation></item>",
        instance.platform
    );
    xml
}
